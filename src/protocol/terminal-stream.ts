/**
 * The stream of one terminal, the same between runner and daemon, daemon and hub, hub and browser: a WebSocket.
 *
 * Text frames are JSON (below). Binary frames are output: 8 bytes, big-endian: the number of the first byte since the terminal began; then the raw
 * bytes. The first frame is always a `snapshot`; a watcher that falls behind (256 KiB) gets no backlog but a new `snapshot`. Everybody may watch; to
 * type one must `take` the keyboard, and whoever holds it is told when somebody else takes it.
 */
import { z } from 'zod';

/** Bytes of output that may wait for one watcher before it is given a new snapshot instead. */
export const WATCHER_BACKLOG_MAX = 256 * 1024;
/** Bytes that one `input` frame may carry. */
export const INPUT_MAX = 64 * 1024;

const size = { cols: z.number().int().min(1).max(1000), rows: z.number().int().min(1).max(1000) };

export const TerminalFrame = z.discriminatedUnion('frame', [
  /** The screen as a terminal would have to be told it (colours, cursor, modes, the newest scrollback); `seq`: the next byte's number. */
  z.object({
    frame: z.literal('snapshot'),
    ...size,
    seq: z.number().int().nonnegative(),
    screen: z.string(),
    title: z.string().max(300).default(''),
    /** Who has the keyboard; absent: nobody but the person at the terminal itself, if there is one. */
    keyboard: z.string().max(100).optional(),
    /** Output was skipped since the last frame of this watcher. */
    skipped: z.boolean().default(false),
  }),
  z.object({ frame: z.literal('resized'), ...size }),
  z.object({ frame: z.literal('keyboard'), holder: z.string().max(100).optional(), you: z.boolean() }),
  /** What you asked for was not done; in words. */
  z.object({ frame: z.literal('refused'), reason: z.string().max(500) }),
  z.object({
    frame: z.literal('ended'),
    exitCode: z.number().int().optional(),
    signal: z.string().max(20).optional(),
    reason: z.string().max(500).optional(),
  }),
]);
export type TerminalFrame = z.infer<typeof TerminalFrame>;

export const WatcherFrame = z.discriminatedUnion('frame', [
  /** Keys, as a terminal would send them. Refused without the keyboard. */
  z.object({ frame: z.literal('input'), data: z.string().min(1).max(INPUT_MAX) }),
  /** Only from the holder of the keyboard, and only where no person sits at the terminal itself. */
  z.object({ frame: z.literal('resize'), ...size }),
  z.object({ frame: z.literal('take') }),
  z.object({ frame: z.literal('release') }),
]);
export type WatcherFrame = z.infer<typeof WatcherFrame>;
