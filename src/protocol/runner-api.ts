/**
 * The runner API: what a daemon and the runners on its machine say to each other.
 *
 * A **runner** is the process that owns one agent process: its pseudo-terminal or its pipes, its screen, its raw log. It lives exactly as long as its agent, not as
 * long as the daemon: a daemon that is killed or upgraded finds its runners again. `intercom run` is a runner too, in the person's own terminal.
 *
 * Finding: each runner keeps `<state>/runners/<id>/record.json` (RunnerRecord, 0600, replaced atomically) and listens on the unix socket named there. The
 * daemon watches that folder. A record whose process is gone and that has no `exit` is a runner that was killed.
 *
 *   WS /control    the daemon's one connection: RunnerFrame out, DaemonFrame in
 *   WS /terminal   a watcher: terminal-stream.ts (`?as=<who>&write=1`)
 *
 * Both need `Authorization: Bearer <key of the record>`. Everything that structure is made of (hooks, lines, exit) is an entry of one journal
 * (`journal.jsonl` beside the record), numbered from 1, written before it is sent; the daemon says from which number on it needs it, so nothing is folded twice or lost.
 */
import { z } from 'zod';
import { SessionId } from './address.ts';
import { MissionId, RunnerId } from './ids.ts';
import { MissionRuntime } from './mission.ts';
import { lineText } from './text.ts';
import { Time } from './time.ts';

export const RUNNER_PROTOCOL = 1;
/** Bytes of one journal entry's text; what is longer is cut and marked. A line of an agent's stream may be of any length. */
export const JOURNAL_ENTRY_MAX = 4 * 1024 * 1024;

/**
 * What a runner puts into its agent's environment, besides RunnerSpec.environment. `INTERCOM_RUNNER`: its id; hooks that the person installed for all sessions end at once where it is
 * set. `INTERCOM_HOOK_URL` and `INTERCOM_HOOK_TOKEN` (with `hooks: true`): a hook is `POST <url>/<event>` with `Authorization: Bearer <token>`, its payload the body, what the agent
 * is to read the answer's body. `${INTERCOM_HOOK_URL}` in `files` is replaced by the address; the token stands in no file.
 */
export const RUNNER_ENVIRONMENT = {
  runner: 'INTERCOM_RUNNER',
  hookUrl: 'INTERCOM_HOOK_URL',
  hookToken: 'INTERCOM_HOOK_TOKEN',
} as const;

/**
 * Hooks that wait for a decision: as long as the daemon (or the agent) lets them, also while no daemon is there. All others are answered with `{}` after
 * a second at the latest, and at once without a daemon. `?wait=<seconds>` behind a hook's URL makes it wait that long, whatever its name is.
 */
export const DECISION_HOOKS: readonly string[] = ['PermissionRequest', 'Elicitation'];

/** A process as it can be told from a later one with the same number. */
export const ProcessMark = z.object({ pid: z.number().int().positive(), startedAt: z.string().max(60) });
export type ProcessMark = z.infer<typeof ProcessMark>;

/** What a runner is to run; `spec.json` beside the record, 0600, read once. Secrets are in `environment` only, never in `argv`. */
export const RunnerSpec = z.object({
  protocol: z.literal(RUNNER_PROTOCOL),
  id: RunnerId,
  agent: lineText(60),
  runtime: MissionRuntime,
  mission: z.object({ id: MissionId, run: z.number().int().positive() }).optional(),
  /** Where it is known beforehand (Claude Code takes ours). */
  session: SessionId.optional(),
  /** An absolute path, resolved by the daemon from configuration. */
  executable: z.string().max(4096),
  argv: z.array(z.string().max(120_000)).max(200),
  cwd: z.string().max(4096),
  /** The whole environment of the agent: built by allow-list, nothing else is inherited. */
  environment: z.record(z.string().max(200), z.string().max(32_768)),
  /** Lines to write to a headless agent's input at once; `closeInput` ends it after them. */
  input: z.array(z.string()).max(50).default([]),
  closeInput: z.boolean().default(false),
  cols: z.number().int().min(20).max(500).default(120),
  rows: z.number().int().min(5).max(300).default(40),
  /** How its screen is read; the name of a recogniser set (agents/…/screen.ts). */
  screen: lineText(60).optional(),
  /** Listen for the agent's HTTP hooks on loopback: port and bearer are put in the place of `${INTERCOM_HOOK_URL}` in `files` and into the environment. */
  hooks: z.boolean().default(false),
  /** Files to write beside the spec before the start (settings, MCP configuration): name → content. 0600. */
  files: z.record(lineText(100), z.string().max(200_000)).default({}),
  /**
   * Words of the command lines of processes that live on when the agent is ended: servers that it shares with other sessions of this user, and that it
   * starts where there is none yet.
   */
  spare: z.array(z.string().min(1).max(200)).max(20).optional(),
  rawLogMax: z
    .number()
    .int()
    .nonnegative()
    .default(16 * 1024 * 1024),
});
export type RunnerSpec = z.infer<typeof RunnerSpec>;

export const RunnerRecord = z.object({
  protocol: z.number().int(),
  id: RunnerId,
  agent: lineText(60),
  runtime: MissionRuntime,
  mission: z.object({ id: MissionId, run: z.number().int().positive() }).optional(),
  session: SessionId.optional(),
  cwd: z.string().max(4096),
  socket: z.string().max(200),
  key: z.string().min(32).max(100),
  runner: ProcessMark,
  /** Absent before the start and where the start failed. Its process group is its own. */
  agentProcess: ProcessMark.optional(),
  /** A person sits at this terminal (`intercom run`). */
  attended: z.boolean(),
  startedAt: Time,
  exit: z
    .object({
      at: Time,
      code: z.number().int().optional(),
      signal: z.string().max(20).optional(),
      /** It could not be started, in words. */
      problem: z.string().max(1000).optional(),
      /** The last of its error output. */
      stderr: z.string().max(20_000).default(''),
    })
    .optional(),
});
export type RunnerRecord = z.infer<typeof RunnerRecord>;

/** hook: the agent called a hook · line: a line of a headless agent's output · input: what was written into it · exit: the end, always the last. */
export const JournalEntry = z.object({
  seq: z.number().int().positive(),
  at: Time,
  kind: z.enum(['hook', 'line', 'input', 'exit']),
  /** The hook's event. */
  event: lineText(100).optional(),
  /** The hook's payload, the line, what was written; for exit the record's `exit` as JSON. */
  text: z.string(),
  cut: z.boolean().default(false),
});
export type JournalEntry = z.infer<typeof JournalEntry>;

/** Why nothing was typed, or what came of it. `typed`: Enter was pressed after the text was seen in the box. */
export const TypingOutcome = z.enum([
  'typed',
  'not_a_terminal',
  'dialog_open',
  'not_at_prompt',
  'busy',
  'box_not_empty',
  'person_typing',
  'person_has_keyboard',
  'screen_changed',
  'not_confirmed',
  'unknown_screen',
  'ended',
  'already_typing',
  'unfit_text',
]);
export type TypingOutcome = z.infer<typeof TypingOutcome>;

/** What the screen shows, as far as it can be told; a witness only. */
export const ScreenState = z.object({
  state: z.enum(['starting', 'prompt', 'working', 'dialog', 'rate_limited', 'unknown']),
  /** Which dialog: permission, question, plan, trust, login, … */
  dialog: z.string().max(60).optional(),
  title: z.string().max(300).optional(),
  options: z.array(z.string().max(300)).max(30).default([]),
  /** The box's own text, without placeholder. */
  box: z.string().max(2000).optional(),
  /** SHA-256 of the dialog as it is drawn; an answer names it. */
  fingerprint: z.string().max(64).optional(),
  /** All that the dialog says, and since when it is there. */
  text: z.string().max(8000).optional(),
  since: Time.optional(),
  /** Options (from 1) that an answer can choose; the one that is a line to write in, for an answer with text. */
  choosable: z.array(z.number().int().positive()).max(30).optional(),
  line: z.number().int().positive().optional(),
  resetAt: Time.optional(),
});
export type ScreenState = z.infer<typeof ScreenState>;

/** Runner → daemon. */
export const RunnerFrame = z.discriminatedUnion('frame', [
  z.object({ frame: z.literal('hello'), record: RunnerRecord, journalSeq: z.number().int().nonnegative() }),
  z.object({ frame: z.literal('journal'), entry: JournalEntry }),
  /** A hook waits for its answer (`hook_answer`), at most `waitMs`. Its journal entry comes first. */
  z.object({
    frame: z.literal('hook'),
    call: z.number().int(),
    seq: z.number().int(),
    event: lineText(100),
    waitMs: z.number().int(),
  }),
  /** The agent's side of the hook is gone (Esc at the terminal, or it was killed). */
  z.object({ frame: z.literal('hook_gone'), call: z.number().int() }),
  /** The answer with this hand-out went out to the agent. */
  z.object({ frame: z.literal('hook_printed'), offer: z.string().max(64) }),
  /** Told when it changes, and at most twice a second. */
  z.object({ frame: z.literal('screen'), state: ScreenState }),
  z.object({
    frame: z.literal('reply'),
    request: z.number().int(),
    outcome: TypingOutcome.optional(),
    lines: z.array(z.string()).optional(),
    state: ScreenState.optional(),
    problem: z.string().optional(),
  }),
]);
export type RunnerFrame = z.infer<typeof RunnerFrame>;

/** Daemon → runner. */
export const DaemonFrame = z.discriminatedUnion('frame', [
  /** First. Entries after `after` are sent, then live ones. */
  z.object({ frame: z.literal('hello'), after: z.number().int().nonnegative() }),
  z.object({
    frame: z.literal('hook_answer'),
    call: z.number().int(),
    text: z.string(),
    offer: z.string().max(64).optional(),
  }),
  /** One line to a headless agent's input. Answered by `reply`. */
  z.object({ frame: z.literal('write'), request: z.number().int(), line: z.string() }),
  /** Through the typing gate. Answered by `reply` with an outcome. */
  z.object({ frame: z.literal('type'), request: z.number().int(), text: z.string().max(2000) }),
  /** Choose an option of (or type into) the dialog with this fingerprint. */
  z.object({
    frame: z.literal('answer'),
    request: z.number().int(),
    fingerprint: z.string().max(64),
    option: z.number().int().min(1).max(30).optional(),
    text: z.string().max(2000).optional(),
  }),
  z.object({ frame: z.literal('look'), request: z.number().int(), lines: z.number().int().min(1).max(200) }),
  /** Interrupt the turn (Esc or SIGINT), without ending the agent. */
  z.object({ frame: z.literal('interrupt') }),
  /** End the agent's process group: term, then kill after `graceMs`. */
  z.object({ frame: z.literal('stop'), graceMs: z.number().int().min(0).max(60_000) }),
  /** The daemon has everything up to and with `exit`; the runner may go. */
  z.object({ frame: z.literal('done') }),
]);
export type DaemonFrame = z.infer<typeof DaemonFrame>;
