/** Texts that people and agents read: which characters they may hold, and how a long one is shortened honestly. */
import { z } from 'zod';
import { MESSAGE_BODY_MAX } from './limits.ts';

/** C0 controls but tab and newline, DEL, and C1: among them ESC, which starts every ANSI sequence. */
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/u;
/** Half of a surrogate pair: cannot be written as UTF-8. */
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
/** Overrides of the writing direction, which can make a card read otherwise than it is. */
const BIDI = /[\u202a-\u202e\u2066-\u2069]/u;

/** What is wrong with a text, in words, or undefined. */
export function textFault(text: string): string | undefined {
  const control = CONTROL.exec(text);
  if (control !== null) {
    const code = text.codePointAt(control.index) ?? 0;
    return `it has a control character (U+${code.toString(16).toUpperCase().padStart(4, '0')}) at position ${control.index}; send plain text without ANSI sequences`;
  }
  if (LONE_SURROGATE.test(text)) return 'it has half of a surrogate pair and is not valid Unicode';
  return undefined;
}

/** `\r\n` and lone `\r` as `\n`. */
export function normalizeNewlines(text: string): string {
  return text.replace(/\r\n?/g, '\n');
}

/** A message's text: not blank, plain, at most MESSAGE_BODY_MAX bytes. Newlines are normalised. */
export const BodyText = z
  .string()
  .max(MESSAGE_BODY_MAX, { message: `longer than ${MESSAGE_BODY_MAX / 1024} KiB; send a path or a summary` })
  .transform(normalizeNewlines)
  .superRefine((text, ctx) => {
    if (text.trim() === '') ctx.addIssue({ code: 'custom', message: 'it is empty' });
    if (new TextEncoder().encode(text).length > MESSAGE_BODY_MAX) {
      ctx.addIssue({ code: 'custom', message: `longer than ${MESSAGE_BODY_MAX / 1024} KiB; send a path or a summary` });
    }
    const fault = textFault(text);
    if (fault !== undefined) ctx.addIssue({ code: 'custom', message: fault });
  });

/** One line of text for names, titles and reasons. */
export function lineText(max: number) {
  return z
    .string()
    .max(max)
    .superRefine((text, ctx) => {
      const fault = text.includes('\n') ? 'it has more than one line' : (textFault(text) ?? bidiFault(text));
      if (fault !== undefined) ctx.addIssue({ code: 'custom', message: fault });
    });
}

function bidiFault(text: string): string | undefined {
  return BIDI.test(text) ? 'it has a character that turns the writing direction' : undefined;
}
