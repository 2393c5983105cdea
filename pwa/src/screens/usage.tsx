/** How far the limits of the providers are used: per machine and agent the current five hours and the week, with the time of the reset. */
import type { MachineUsage, UsageSpan } from '../../../src/protocol/attention.ts';
import { money, shortCount, totalTokens } from '../core/attention-words.ts';
import { machineName, type MeshState } from '../core/state.ts';
import { fullTime, untilReset, useNow } from '../core/time.ts';
import { Meter } from '../ui/meter.tsx';

/** All machines, for the first screen. */
export function UsageOverview({ state }: { readonly state: MeshState }) {
  const machines = [...state.attention.machines].filter(([, used]) => used.some(hasSomething));
  if (machines.length === 0) return null;
  machines.sort(([a], [b]) => machineName(state, a).localeCompare(machineName(state, b)));
  return (
    <section class="aside-part" aria-labelledby="usage-title">
      <h2 id="usage-title">Usage</h2>
      <ul class="usages">
        {machines.map(([machine, used]) => (
          <li key={machine}>
            <h3>{machineName(state, machine)}</h3>
            <UsageOfMachine used={used} />
          </li>
        ))}
      </ul>
    </section>
  );
}

export function UsageOfMachine({ used }: { readonly used: readonly MachineUsage[] }) {
  return (
    <>
      {used.filter(hasSomething).map((one) => (
        <div key={one.agent} class="usage" data-usage={one.agent}>
          <p class="usage-agent">{one.agent}</p>
          {one.block !== undefined && <Span name="5 hours" span={one.block} />}
          {one.week !== undefined && <Span name="Week" span={one.week} />}
          {one.scanning !== undefined && <Scanning {...one.scanning} />}
        </div>
      ))}
    </>
  );
}

function hasSomething({ block, week, scanning }: MachineUsage): boolean {
  return block !== undefined || week !== undefined || scanning !== undefined;
}

/** With the provider's own figure a bar; without it the sum, and how much of the time is over, which is no promise. */
function Span({ name, span }: { readonly name: string; readonly span: UsageSpan }) {
  const now = useNow();
  const { usedPercent, costUsd, end } = span;
  const left = untilReset(end, now);
  const sum = `${shortCount(totalTokens(span.tokens))} tokens${costUsd === undefined ? '' : `, ${money(costUsd)}`}`;
  return (
    <div class="usage-span">
      <span class="usage-name">{name}</span>
      {usedPercent === undefined ? (
        <span class="usage-sum">{sum}</span>
      ) : (
        <>
          <Meter share={usedPercent / 100} label={`${name}: ${Math.round(usedPercent)} % used`} />
          <span class="usage-percent">{Math.round(usedPercent)} %</span>
        </>
      )}
      <time class="usage-reset" dateTime={end} title={fullTime(end)}>
        {left === undefined ? 'over' : `resets ${left}`}
      </time>
      {usedPercent !== undefined && <span class="usage-sum usage-below">{sum}</span>}
    </div>
  );
}

function Scanning({ read, total }: { readonly read: number; readonly total: number }) {
  const share = total === 0 ? 0 : read / total;
  const label = `Reading its transcripts for the first time: ${Math.round(share * 100)} %. Sums are too low until then.`;
  return (
    <div class="usage-scan">
      <Meter share={share} label={label} />
      <p>{label}</p>
    </div>
  );
}
