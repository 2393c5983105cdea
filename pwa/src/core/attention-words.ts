/** The words for what sessions wait for, what told their state, and what they used. */
import type {
  AnnouncementCategory,
  Confidence,
  NoticeKind,
  SessionUsage,
  StateSource,
  Tokens,
  WaitEnd,
  WaitKind,
} from '../../../src/protocol/attention.ts';
import type { Session } from '../../../src/protocol/model.ts';
import type { SessionRow } from './sessions.ts';
import { untilReset } from './time.ts';
import type { Tone } from './words.ts';

export const WAIT_LABEL: Readonly<Record<WaitKind, string>> = {
  permission: 'Permission',
  question: 'Question',
  plan: 'Plan',
  text: 'Wants input',
  trust: 'Asks to trust a folder',
  login: 'Asks to sign in',
  rate_limit: 'Rate limit',
  dialog: 'Dialog',
};

export const WAIT_END_LABEL: Readonly<Record<WaitEnd, string>> = {
  answered: 'answered',
  at_terminal: 'answered at its terminal',
  policy: 'answered by policy',
  gone: 'gone without an answer',
};

export const NOTICE_LABEL: Readonly<Record<NoticeKind, string>> = {
  permission: 'A permission to use a tool',
  question: 'A question',
  plan: 'A plan',
  text: 'An input that it opened',
  dialog: 'Another dialog',
  trust: 'Whether to trust a folder',
  login: 'A sign-in',
  rate_limit: 'A rate limit',
  message: 'A message between agents',
  ask: 'A question between agents',
  launch: 'The start of an agent',
  join: 'A machine that wants to join',
  stall: 'Silence for minutes while at work',
  done: 'The end of a turn or a mission',
};

export const CATEGORY_LABEL: Readonly<Record<AnnouncementCategory, string>> = {
  milestone: 'Milestone',
  difficulty: 'Difficulty',
  didactic: 'Good to know',
  attention: 'Please look',
  permission: 'Permission',
  lifecycle: 'Coming and going',
  summary: 'Summary',
};

const SOURCE_WORDS: Readonly<Record<StateSource, string>> = {
  hook: 'its hooks',
  app_server: 'its app server',
  stream: 'its event stream',
  registry: 'its own list of sessions',
  screen: 'its screen',
  heartbeat: 'its heartbeat file',
  process: 'only that its process lives',
};
const CONFIDENCE_WORDS: Readonly<Record<Confidence, string>> = {
  certain: 'certain',
  likely: 'likely',
  guess: 'a guess',
};

/** "certain, told by its hooks"; undefined where nobody said. */
export function evidence({ stateSource, confidence }: Session): string | undefined {
  if (stateSource === undefined) return confidence === undefined ? undefined : CONFIDENCE_WORDS[confidence];
  const told = `told by ${SOURCE_WORDS[stateSource]}`;
  return confidence === undefined ? told : `${CONFIDENCE_WORDS[confidence]}, ${told}`;
}

/** What a session does, in a word or two, with its colour. */
export function doing(row: SessionRow, now: number): { readonly text: string; readonly tone: Tone } {
  const { session } = row;
  switch (row.group) {
    case 'waiting':
      return { text: session.waiting === undefined ? 'Waits' : WAIT_LABEL[session.waiting.kind], tone: 'wait' };
    case 'stalled':
      return { text: 'Silent', tone: 'bad' };
    case 'limited':
      return { text: limitWords(session, now), tone: 'calm' };
    case 'away':
      return { text: 'Machine away', tone: 'calm' };
    case 'unknown':
      return { text: 'State unknown', tone: 'calm' };
    case 'idle':
      return { text: 'Idle', tone: 'good' };
    case 'working':
      if (session.state === 'starting') return { text: 'Starting', tone: 'busy' };
      return { text: session.state === 'thinking' ? 'Thinking' : 'Working', tone: 'busy' };
  }
}

function limitWords({ waiting }: Session, now: number): string {
  if (waiting?.resetAt === undefined) return 'At its limit';
  const left = untilReset(waiting.resetAt, now);
  return left === undefined ? 'Limit is over' : `Limit ends ${left}`;
}

/** "opus-4-1" of "claude-opus-4-1-20250805": what tells models apart. */
export function modelName(model: string): string {
  return model.replace(/^(?:[a-z]+\/)?claude-/, '').replace(/-\d{8}$/, '');
}

/** 0 … 1, or undefined where the agent does not say. */
export function contextShare({ contextTokens, contextWindow }: SessionUsage): number | undefined {
  if (contextTokens === undefined || contextWindow === undefined || contextWindow === 0) return undefined;
  return Math.min(1, contextTokens / contextWindow);
}

/** "812", "12.4k", "3.1M", "1.2B". */
export function shortCount(count: number): string {
  if (count < 1000) return String(count);
  if (count < 999_500) return `${scaled(count / 1e3)}k`;
  return count < 999_500_000 ? `${scaled(count / 1e6)}M` : `${scaled(count / 1e9)}B`;
}

function scaled(count: number): string {
  return count < 99.5 ? count.toFixed(1).replace(/\.0$/, '') : String(Math.round(count));
}

export function money(usd: number): string {
  if (usd > 0 && usd < 0.01) return 'under $0.01';
  return `$${usd.toFixed(usd < 100 ? 2 : 0)}`;
}

export function totalTokens({ input, output, cacheRead, cacheWrite }: Tokens): number {
  return input + output + cacheRead + cacheWrite;
}
