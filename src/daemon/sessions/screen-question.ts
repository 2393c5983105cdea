/** A dialog on a screen as a question for people, and their answer as what is pressed in it. Pure. */
import type { Question } from '../../protocol/attention.ts';
import type { Decision } from '../../protocol/model.ts';
import type { ScreenState } from '../../protocol/runner-api.ts';
import type { DialogAnswer } from './managed.ts';

export const DIALOG_QUESTION = 'dialog';

/** Undefined: nothing can be answered in it from afar. */
export function questionOf(screen: ScreenState): Question | undefined {
  const options = choicesOf(screen).map(({ label }) => ({ label }));
  const freeText = screen.line !== undefined;
  if (options.length === 0 && !freeText) return undefined;
  const text = (screen.title ?? '').trim();
  return {
    id: DIALOG_QUESTION,
    text: text === '' ? 'What shall be chosen at its terminal?' : text,
    options,
    multiple: false,
    freeText,
    optional: false,
  };
}

/** Undefined: the answer is none of this dialog's. */
export function keysOf(
  screen: ScreenState,
  decision: Decision | undefined,
): Omit<DialogAnswer, 'fingerprint'> | undefined {
  const answer = decision?.answers?.find(({ id }) => id === DIALOG_QUESTION);
  const [taken] = answer?.options ?? [];
  const option = choicesOf(screen).find(({ label }) => label === taken)?.option;
  if (option !== undefined) return { option };
  return answer?.text === undefined || screen.line === undefined ? undefined : { text: answer.text };
}

/** Options that can be chosen, each with its number and a label of its own. */
function choicesOf({ options, choosable }: ScreenState): { readonly option: number; readonly label: string }[] {
  const labels = (choosable ?? []).map((option) => ({ option, label: (options[option - 1] ?? '').trim() }));
  return labels
    .filter(({ label }) => label !== '')
    .map(({ option, label }, index, all) => {
      const isTwice = all.some((other, at) => at !== index && other.label === label);
      return { option, label: isTwice ? `${label} (${option})` : label };
    });
}

/** Why an answer was not typed, for the person who gave it. */
export const TYPING_WORDS: Readonly<Record<string, string>> = {
  not_a_terminal: 'it has no terminal',
  person_typing: 'someone was typing at its terminal',
  person_has_keyboard: 'someone has its keyboard',
  screen_changed: 'the screen had changed; nothing was sent',
  box_not_empty: 'somebody was writing in the dialog; nothing was sent',
  not_confirmed: 'the dialog did not take it: what was to be chosen was not seen on its screen',
  unknown_screen: 'its screen is not understood',
  ended: 'its agent had ended',
  already_typing: 'something else was being typed there',
  unfit_text: 'that cannot be answered in this dialog from afar',
};
