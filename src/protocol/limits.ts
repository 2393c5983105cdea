/** Limits that both sides of a boundary must agree on. Each says its unit and its reason. */

/** The wire protocol's number. Raised when a change would be misread by the older side. */
export const PROTOCOL_VERSION = 1;
/** A request body, bytes. Larger is refused with `too_large`. */
export const HTTP_BODY_MAX = 1024 * 1024;
/** A message's text, UTF-8 bytes: Claude Code's inbox takes 1 MiB a line; well below, with room for the frame. */
export const MESSAGE_BODY_MAX = 256 * 1024;
/** Above this a body is delivered as its beginning and the id to fetch (characters). Keeps contexts small. */
export const INLINE_BODY_MAX = 2048;
/** Messages that may wait for one session; the rest folds into a digest. */
export const INBOX_MAX = 50;
/** Items in one batch between hub and daemon. */
export const BATCH_MAX = 128;
/** Seconds between a daemon's heartbeats; a machine is away after three of them. */
export const HEARTBEAT_SECONDS = 15;
export const AWAY_AFTER_SECONDS = 45;
/** The longest single long-poll, seconds; longer waits are slices of this. */
export const LONG_POLL_MAX_SECONDS = 25;
/** How long a message waits before it expires, seconds, unless its sender says otherwise. */
export const DEFAULT_EXPIRY_SECONDS = 7 * 24 * 3600;
/** How long a person has to decide, seconds. */
export const APPROVAL_EXPIRY_SECONDS = 24 * 3600;
export const JOIN_EXPIRY_SECONDS = 15 * 60;
