/**
 * The tools with which an agent turns to people: a question that waits for its answer, and a few words to whoever listens.
 *
 * Invariants: an agent can ask and can take its question back, never answer it; what nobody answered is said to be that, and is never a yes; a call that is cancelled
 * takes its question back; a call that gives up waiting leaves it open, and gives the handle by which the next one goes on.
 */
import { z } from 'zod';
import { AnnouncementCategory, type Question } from '../protocol/attention.ts';
import { IntercomError, toIntercomError } from '../protocol/errors.ts';
import { newId } from '../protocol/ids.ts';
import { QuestionRef, type LocalQuestionState } from '../protocol/local-api.ts';
import { normalizeNewlines, textFault } from '../protocol/text.ts';
import { AnswerShape, answerShape, type PersonAnswer } from './person-answer.ts';
import { defineTool, optional } from './tool.ts';
import type { Answer, Tool, ToolCall } from './tool.ts';
import { patiently } from './waiting.ts';

const TIMEOUT_MAX = 86_400;
/** Seconds beyond its time in which the hub says that a question ran out. */
const LAST_WORD = 10;

/** Plain text of several lines. */
function words(max: number) {
  return z
    .string()
    .max(max)
    .transform(normalizeNewlines)
    .superRefine((text, context) => {
      const fault = text.trim() === '' ? 'it is empty' : textFault(text);
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
    });
}

const Options = z
  .array(z.union([words(2000), z.strictObject({ label: words(2000), description: words(4000).optional() })]))
  .max(50)
  .superRefine((options, context) => {
    const labels = options.map((option) => (typeof option === 'string' ? option : option.label));
    const twice = labels.find((label, index) => labels.indexOf(label) < index);
    if (twice !== undefined)
      context.addIssue({ code: 'custom', message: `"${twice.slice(0, 100)}" stands there twice` });
  });
const OneQuestion = z
  .strictObject({
    header: words(60).optional().describe('A word or two'),
    text: words(8000),
    options: Options.default([]),
    multiple: z.boolean().default(false),
    free_text: z.boolean().default(true).describe('false: only the options'),
    optional: z.boolean().default(false),
  })
  .superRefine(({ options, free_text }, context) => {
    if (options.length === 0 && !free_text)
      context.addIssue({ code: 'custom', path: ['options'], message: 'there is nothing to answer with' });
  });

const AskInput = z
  .strictObject({
    questions: z.union([words(8000), z.array(OneQuestion).min(1).max(20)]).optional(),
    options: Options.optional().describe('For a single question: choices; free text stays possible'),
    context: words(50_000).optional().describe('What one must know to answer: plan, diff, findings'),
    timeout: z.number().int().min(5).max(TIMEOUT_MAX).default(600).describe('Seconds until it runs out'),
    wait: z
      .number()
      .int()
      .min(0)
      .max(TIMEOUT_MAX)
      .optional()
      .describe('Seconds that this call waits; then you get a handle. Default: timeout'),
    handle: QuestionRef.optional().describe('Instead of questions: go on waiting'),
  })
  .superRefine(({ questions, options, context: told, handle }, context) => {
    const issue = (path: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [path], message });
    };
    if (handle === undefined && questions === undefined) issue('questions', 'it is missing');
    if (handle !== undefined && (questions ?? options ?? told) !== undefined)
      issue('handle', 'the question was asked already; give the handle alone');
    if (options !== undefined && typeof questions !== 'string')
      issue('options', 'they belong to a single question; in a list each has its own');
  });
type AskInput = z.output<typeof AskInput>;

export const askHumanTool = defineTool({
  name: 'intercom_ask_human',
  description:
    'Ask your user (wherever they are: phone, web, terminal) and wait. For decisions only they can make: unclear requirements, irreversible or costly steps, a choice of directions. Not for what you can find out. One text with options, or a list of questions; put related ones into one call. No answer is never a yes.',
  input: AskInput,
  output: AnswerShape,
  run: async (args, call) => {
    const { handle } = args;
    if (handle !== undefined) return settle(call, await call.client.question(handle), args.wait ?? args.timeout);
    // The call itself is not cut off: what was asked must be known to be taken back.
    const asked = await call.client.askPerson({
      key: call.toolUseId === undefined ? newId('approval') : `tool:${call.toolUseId}`,
      questions: questionsOf(args),
      ...optional('context', args.context),
      cut: false,
      expiresInSeconds: args.timeout,
    });
    return settle(call, asked, Math.min(args.wait ?? args.timeout + LAST_WORD, args.timeout + LAST_WORD));
  },
});

function questionsOf({ questions, options }: AskInput): Question[] {
  const list = Array.isArray(questions)
    ? questions
    : [{ text: questions ?? '', options: options ?? [], multiple: false, free_text: true, optional: false }];
  return list.map((one, index) => ({
    id: `q${index + 1}`,
    ...('header' in one ? optional('header', one.header) : {}),
    text: one.text,
    options: one.options.map((option) => (typeof option === 'string' ? { label: option } : option)),
    multiple: one.multiple,
    freeText: one.free_text,
    optional: one.optional,
  }));
}

async function settle(call: ToolCall, first: LocalQuestionState, seconds: number): Promise<PersonAnswer> {
  const state = await patiently(call, first, seconds, {
    isSettled: (one) => one.state !== 'pending',
    words: () => 'your user has not answered yet',
    next: ({ ref }, slice) => call.client.question(ref, { seconds: slice, signal: call.signal }),
  });
  if (call.signal.aborted && state.state === 'pending') {
    await call.client.withdrawQuestion(state.ref, 'the agent was interrupted');
  }
  return answerShape(state, Math.round(seconds));
}

const Announcing = z.object({ id: z.string().optional(), listeners: z.number(), summary: z.string() });

export const announceTool = defineTool({
  name: 'intercom_announce',
  description:
    'Say one or two sentences to whoever looks at intercom now (shown, spoken). Not kept, needs no approval. Without message: only tells how many listen; if nobody does, do not narrate.',
  input: z.strictObject({
    message: words(2000).optional(),
    category: AnnouncementCategory.default('milestone'),
    priority: z.enum(['low', 'normal', 'high']).default('normal'),
  }),
  output: Announcing,
  run: async ({ message, category, priority }, call): Promise<Answer<typeof Announcing>> => {
    if (message === undefined) {
      const { operators } = await call.client.presence();
      const listeners = operators.reduce((sum, { pages }) => sum + pages, 0);
      return { structured: { listeners, summary: heard(listeners) }, text: heard(listeners) };
    }
    const { id, listeners } = await call.client.announce({ text: message, category, priority }).catch(notHeard);
    const summary = listeners === 0 ? 'Nobody listens now; it stands in the feed.' : `Said. ${heard(listeners)}`;
    return { structured: { id, listeners, summary }, text: summary };
  },
});

function heard(listeners: number): string {
  if (listeners === 0) return 'Nobody listens now.';
  return listeners === 1 ? 'One page is looked at now.' : `${listeners} pages are looked at now.`;
}

function notHeard(thrown: unknown): never {
  const error = toIntercomError(thrown);
  if (error.code !== 'unreachable') throw error;
  throw new IntercomError('unreachable', 'The hub is away; nobody heard it, and it is not kept.', {
    next: 'Go on with your work; do not repeat it later.',
    cause: error,
  });
}

export const PEOPLE_TOOLS: readonly Tool[] = [askHumanTool, announceTool];
