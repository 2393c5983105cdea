/** Who a session is, in one or two lines: its project and name, its machine, agent and model, how full its context is, what it cost. */
import type { SessionUsage } from '../../../src/protocol/attention.ts';
import { contextShare, modelName, money } from '../core/attention-words.ts';
import type { SessionRow } from '../core/sessions.ts';
import { Meter } from '../ui/meter.tsx';

export function SessionName({ row }: { readonly row: SessionRow }) {
  const { session } = row;
  return (
    <span class="who">
      <span class="who-project">{session.project}</span>{' '}
      <span class="who-name">{session.name ?? `#${session.id.slice(0, 8)}`}</span>
    </span>
  );
}

export function SessionFacts(props: { readonly row: SessionRow; readonly usage: SessionUsage | undefined }) {
  const { row, usage } = props;
  const share = usage === undefined ? undefined : contextShare(usage);
  return (
    <span class="where">
      <span>{row.machineName}</span>
      <span>
        {row.session.agent}
        {usage?.model === undefined ? '' : ` ${modelName(usage.model)}`}
      </span>
      {share !== undefined && (
        <span class="where-context">
          <Meter share={share} label={`Context ${Math.round(share * 100)} % full`} />
          <span class="where-percent" aria-hidden="true">
            {Math.round(share * 100)} %
          </span>
        </span>
      )}
      {usage?.costUsd !== undefined && <span>{money(usage.costUsd)}</span>}
    </span>
  );
}
