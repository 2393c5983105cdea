/**
 * One session of the list. Pressed, it tells more: what told its state, where it runs, what it used, and what can be done with it. Drawn again
 * only when something of it changed; its age grows by itself.
 */
import { useId, useState } from 'preact/hooks';
import type { SessionUsage } from '../../../src/protocol/attention.ts';
import { doing, evidence, shortCount } from '../core/attention-words.ts';
import { hrefOf } from '../core/routes.ts';
import type { SessionRow } from '../core/sessions.ts';
import { clockTime, fullTime, useNow } from '../core/time.ts';
import { RUNG_LABEL } from '../core/words.ts';
import { Ago, Chip } from '../ui/bits.tsx';
import { memo } from '../ui/memo.tsx';
import { SessionFacts, SessionName } from './session-line.tsx';

interface RowProps extends Omit<SessionRow, 'key'> {
  readonly id: string;
  readonly usage: SessionUsage | undefined;
  /** Undefined for who may only look. */
  readonly onWrite: ((address: string) => void) | undefined;
}

export const SessionRowView = memo(function SessionRowView(props: RowProps) {
  const { id, usage, onWrite, ...rest } = props;
  const row: SessionRow = { key: id, ...rest };
  const [open, setOpen] = useState(false);
  const more = useId();
  const { session, group } = row;
  const since = group === 'stalled' ? (session.stalledSince ?? session.stateSince) : session.stateSince;
  return (
    <div class={`row row-${group}`} id={`of ${id}`} tabIndex={-1} data-session={session.id}>
      <button type="button" class="row-head" aria-expanded={open} aria-controls={more} onClick={() => setOpen(!open)}>
        <SessionName row={row} />
        <span class="row-state">
          <Doing row={row} />
        </span>
        <SessionFacts row={row} usage={usage} />
        <span class="row-age">
          {session.confidence === 'guess' && <span title={evidence(session)}>a guess · </span>}
          <Ago time={since} />
        </span>
      </button>
      {open && (
        <div class="row-more" id={more}>
          <RowDetails row={row} usage={usage} />
          {onWrite !== undefined && (
            <button type="button" class="button small" onClick={() => onWrite(row.address)}>
              Write to it
            </button>
          )}
        </div>
      )}
    </div>
  );
});

/** Drawn by the clock, so that the row need not be. */
function Doing({ row }: { readonly row: SessionRow }) {
  const { text, tone } = doing(row, useNow());
  return <Chip tone={tone}>{text}</Chip>;
}

function RowDetails({ row, usage }: { readonly row: SessionRow; readonly usage: SessionUsage | undefined }) {
  const now = useNow();
  const { session } = row;
  const told = evidence(session);
  return (
    <dl class="facts">
      {row.group === 'limited' && session.waiting?.resetAt !== undefined && (
        <>
          <dt>Limit ends</dt>
          <dd title={fullTime(session.waiting.resetAt)}>{clockTime(session.waiting.resetAt, now)}</dd>
        </>
      )}
      {row.group === 'stalled' && (
        <>
          <dt>Silent</dt>
          <dd>It is said to work, but nothing was seen of it. Have a look at its terminal.</dd>
        </>
      )}
      {told !== undefined && (
        <>
          <dt>State</dt>
          <dd>{told}</dd>
        </>
      )}
      <dt>Session</dt>
      <dd class="mono">{session.id}</dd>
      <dt>Directory</dt>
      <dd class="mono">{session.cwd}</dd>
      {session.permissionMode !== undefined && (
        <>
          <dt>Mode</dt>
          <dd>{session.permissionMode}</dd>
        </>
      )}
      {usage !== undefined && (
        <>
          <dt>Tokens</dt>
          <dd>{tokenWords(usage)}</dd>
        </>
      )}
      {session.mission !== undefined && (
        <>
          <dt>Mission</dt>
          <dd>
            <a href={hrefOf({ at: 'mission', id: session.mission })}>Open it</a>
          </dd>
        </>
      )}
      <dt>Messages</dt>
      <dd>
        {RUNG_LABEL[session.rung]}.{session.rungNote === undefined ? '' : ` ${session.rungNote}`}
      </dd>
    </dl>
  );
}

function tokenWords({ tokens, contextTokens, contextWindow }: SessionUsage): string {
  const context =
    contextTokens === undefined || contextWindow === undefined
      ? []
      : [`${shortCount(contextTokens)} of ${shortCount(contextWindow)} in its context`];
  const cached = tokens.cacheRead + tokens.cacheWrite;
  return [
    ...context,
    `${shortCount(tokens.input)} in`,
    `${shortCount(tokens.output)} out`,
    ...(cached === 0 ? [] : [`${shortCount(cached)} through the cache`]),
  ].join(', ');
}
