/** When nothing rings: for a while from now, at night, for some agents; and what is gathered and told together. */
import { useId, useState } from 'preact/hooks';
import type { Preferences, PreferencesPatch } from '../../../src/protocol/attention.ts';
import { inOneHour, liveMutes, tomorrow, withMute, withoutMute } from '../core/preferences.ts';
import { clockTime, useNow } from '../core/time.ts';

/** What the parts of this screen are given: the preferences as shown, and how to change them. */
export interface PreferencesProps {
  readonly preferences: Preferences;
  readonly saving: boolean;
  /** True once the hub took it. */
  readonly save: (patch: PreferencesPatch) => Promise<boolean>;
}

export function MuteNow({ preferences, saving, save }: PreferencesProps) {
  const now = useNow();
  const { muteUntil } = preferences;
  const isMuted = muteUntil !== undefined && Date.parse(muteUntil) > now;
  return (
    <section class="card settings-part" aria-labelledby="mute-title">
      <h2 id="mute-title">Silence</h2>
      {isMuted ? (
        <>
          <p>
            Nothing rings until <strong>{clockTime(muteUntil, now)}</strong>. What waits still stands under Attention.
          </p>
          <div class="settings-row">
            <button type="button" class="button" disabled={saving} onClick={() => void save({ muteUntil: null })}>
              Ring again now
            </button>
          </div>
        </>
      ) : (
        <div class="settings-row">
          <button
            type="button"
            class="button"
            disabled={saving}
            onClick={() => void save({ muteUntil: inOneHour(Date.now()) })}
          >
            Silence for 1 h
          </button>
          <button
            type="button"
            class="button"
            disabled={saving}
            onClick={() => void save({ muteUntil: tomorrow(Date.now()) })}
          >
            Until tomorrow, 8:00
          </button>
        </div>
      )}
    </section>
  );
}

const NIGHT = { from: '22:00', to: '07:00' };

export function QuietHours({ preferences, saving, save }: PreferencesProps) {
  const { quiet } = preferences;
  const id = useId();
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zones = timeZones(quiet?.timeZone ?? here);
  return (
    <section class="card settings-part" aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>Quiet hours</h2>
      <label class="check">
        <input
          type="checkbox"
          checked={quiet !== undefined}
          aria-disabled={saving}
          onClick={(event) => {
            event.preventDefault();
            if (!saving) void save({ quiet: quiet === undefined ? { ...NIGHT, timeZone: here } : null });
          }}
        />
        Every day nothing rings for some hours; what came meanwhile is told afterwards, together
      </label>
      {quiet !== undefined && (
        <div class="settings-fields">
          <TimeField
            label="From"
            value={quiet.from}
            disabled={saving}
            onChange={(from) => void save({ quiet: { ...quiet, from } })}
          />
          <TimeField
            label="To"
            value={quiet.to}
            disabled={saving}
            onChange={(to) => void save({ quiet: { ...quiet, to } })}
          />
          <div class="field">
            <label for={`${id}-zone`}>In the time of</label>
            <select
              id={`${id}-zone`}
              class="input"
              value={quiet.timeZone}
              disabled={saving}
              onChange={(event) => void save({ quiet: { ...quiet, timeZone: event.currentTarget.value } })}
            >
              {zones.map((zone) => (
                <option key={zone} value={zone}>
                  {zone.replaceAll('_', ' ')}
                </option>
              ))}
            </select>
          </div>
        </div>
      )}
    </section>
  );
}

function TimeField(props: {
  readonly label: string;
  readonly value: string;
  readonly disabled: boolean;
  readonly onChange: (value: string) => void;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <input
        id={id}
        class="input"
        type="time"
        required
        value={props.value}
        disabled={props.disabled}
        onChange={(event) => {
          const { value } = event.currentTarget;
          if (value !== '' && value !== props.value) props.onChange(value);
        }}
      />
    </div>
  );
}

/** All that this browser knows; the one that is set is among them in any case. */
function timeZones(current: string): string[] {
  const known = Intl.supportedValuesOf('timeZone');
  return known.includes(current) ? known : [current, ...known];
}

const DIGESTS: readonly { readonly minutes: number; readonly label: string }[] = [
  { minutes: 0, label: 'Tell everything at once' },
  { minutes: 15, label: 'Every 15 minutes' },
  { minutes: 60, label: 'Every hour' },
  { minutes: 240, label: 'Every 4 hours' },
  { minutes: 1440, label: 'Once a day' },
];

export function Digest({ preferences, saving, save }: PreferencesProps) {
  const id = useId();
  const { digestMinutes } = preferences;
  const known = DIGESTS.some(({ minutes }) => minutes === digestMinutes);
  const choices = known ? DIGESTS : [...DIGESTS, { minutes: digestMinutes, label: `Every ${digestMinutes} minutes` }];
  return (
    <section class="card settings-part" aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>What is not urgent</h2>
      <label for={id}>Everything but permissions, questions, plans and dialogs</label>
      <select
        id={id}
        class="input"
        value={String(digestMinutes)}
        disabled={saving}
        onChange={(event) => void save({ digestMinutes: Number(event.currentTarget.value) })}
      >
        {choices.map(({ minutes, label }) => (
          <option key={minutes} value={String(minutes)}>
            {minutes === 0 ? label : `Gather it, and tell it ${label.toLowerCase()}`}
          </option>
        ))}
      </select>
    </section>
  );
}

type Span = 'hour' | 'tomorrow' | 'ever';

/** Silence for some agents. */
export function Mutes({ preferences, saving, save }: PreferencesProps) {
  const now = useNow();
  const id = useId();
  const [pattern, setPattern] = useState('');
  const [span, setSpan] = useState<Span>('ever');
  const mutes = liveMutes(preferences, now);
  const add = async () => {
    const text = pattern.trim();
    if (text === '') return;
    const at = Date.now();
    const until = span === 'hour' ? inOneHour(at) : span === 'tomorrow' ? tomorrow(at) : undefined;
    if (await save(withMute(preferences, text, until, at))) setPattern('');
  };
  return (
    <section class="card settings-part" aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>Silent agents</h2>
      {mutes.length > 0 && (
        <ul class="mutes">
          {mutes.map((mute) => (
            <li key={mute.pattern} class="mute">
              <span class="mono">{mute.pattern}</span>
              <span class="hint">{mute.until === undefined ? 'for ever' : `until ${clockTime(mute.until, now)}`}</span>
              <button
                type="button"
                class="text-button"
                disabled={saving}
                onClick={() => void save(withoutMute(preferences, mute.pattern, Date.now()))}
              >
                Remove<span class="visually-hidden"> the silence of {mute.pattern}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      <form
        class="mute-form"
        onSubmit={(event) => {
          event.preventDefault();
          void add();
        }}
      >
        <label for={id}>
          An agent, or many with a star: <code>laptop/*</code>
        </label>
        <div class="settings-fields">
          <input
            id={id}
            class="input mono"
            maxLength={200}
            autocapitalize="none"
            spellcheck={false}
            placeholder="machine/project"
            value={pattern}
            onInput={(event) => setPattern(event.currentTarget.value)}
          />
          <select
            class="input"
            aria-label="For how long"
            value={span}
            onChange={(event) => {
              const { value } = event.currentTarget;
              setSpan(value === 'hour' || value === 'tomorrow' ? value : 'ever');
            }}
          >
            <option value="ever">for ever</option>
            <option value="hour">for 1 h</option>
            <option value="tomorrow">until tomorrow, 8:00</option>
          </select>
          <button type="submit" class="button" disabled={saving || pattern.trim() === ''}>
            Silence it
          </button>
        </div>
      </form>
    </section>
  );
}
