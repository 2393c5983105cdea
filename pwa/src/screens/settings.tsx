/**
 * How the person wants to be told: notices on this device, what rings where, when nothing rings, what is gathered. What is shown as set is what
 * the hub holds; a change that failed goes back and says why.
 */
import { useEffect, useState } from 'preact/hooks';
import type { NoticeChannel, Preferences, PreferencesPatch } from '../../../src/protocol/attention.ts';
import type { App } from '../core/app.ts';
import { NOTICE_LABEL } from '../core/attention-words.ts';
import { channelsOf, KIND_PARTS, withChannel } from '../core/preferences.ts';
import { Problem } from '../ui/bits.tsx';
import { DeviceNotices } from './settings-push.tsx';
import { Digest, MuteNow, Mutes, QuietHours, type PreferencesProps } from './settings-silence.tsx';

export function SettingsScreen({ app }: { readonly app: App }) {
  const { held, shown, saving, error, saved, save } = usePreferences(app);
  return (
    <div class="settings">
      <header class="attention-head">
        <h1>Notices</h1>
        <p class="settings-state" role="status">
          {saving ? 'Saving…' : saved ? 'Saved.' : ''}
        </p>
      </header>
      <p class="hint">
        While you look at this page, nothing rings: what waits is here. When you do not, the hub tells you like this.
      </p>
      <DeviceNotices app={app} />
      {error !== undefined && <Problem error={error} />}
      {held === undefined && error === undefined && <p class="hint">Asking the hub…</p>}
      {shown !== undefined && (
        <>
          <MuteNow preferences={shown} saving={saving} save={save} />
          <Channels preferences={shown} saving={saving} save={save} />
          <QuietHours preferences={shown} saving={saving} save={save} />
          <Digest preferences={shown} saving={saving} save={save} />
          <Mutes preferences={shown} saving={saving} save={save} />
        </>
      )}
    </div>
  );
}

function usePreferences(app: App) {
  /** What the hub said last. */
  const [held, setHeld] = useState<Preferences | undefined>(undefined);
  /** What it is being told. */
  const [wanted, setWanted] = useState<Preferences | undefined>(undefined);
  const [error, setError] = useState<unknown>(undefined);
  const [saved, setSaved] = useState(false);
  useEffect(() => {
    app.preferences().then(setHeld, setError);
  }, [app]);
  const save = async (patch: PreferencesPatch): Promise<boolean> => {
    if (held === undefined || wanted !== undefined) return false;
    setWanted(patched(held, patch));
    setError(undefined);
    setSaved(false);
    try {
      setHeld(await app.changePreferences(patch));
      setSaved(true);
      return true;
    } catch (thrown) {
      setError(thrown);
      return false;
    } finally {
      setWanted(undefined);
    }
  };
  return { held, shown: wanted ?? held, saving: wanted !== undefined, error, saved, save };
}

/** As it will be if the hub takes the change. */
function patched(held: Preferences, patch: PreferencesPatch): Preferences {
  const { muteUntil, quiet, ...rest } = held;
  const nextMute = patch.muteUntil === undefined ? muteUntil : (patch.muteUntil ?? undefined);
  const nextQuiet = patch.quiet === undefined ? quiet : (patch.quiet ?? undefined);
  return {
    channels: { ...rest.channels, ...patch.channels },
    mutes: patch.mutes ?? rest.mutes,
    digestMinutes: patch.digestMinutes ?? rest.digestMinutes,
    ...(nextMute === undefined ? {} : { muteUntil: nextMute }),
    ...(nextQuiet === undefined ? {} : { quiet: nextQuiet }),
  };
}

const CHANNELS: readonly { readonly channel: NoticeChannel; readonly label: string }[] = [
  { channel: 'telegram', label: 'Telegram' },
  { channel: 'push', label: 'Devices' },
];

function Channels({ preferences, saving, save }: PreferencesProps) {
  return (
    <section class="card settings-part" aria-labelledby="channels-title">
      <h2 id="channels-title">What rings where</h2>
      {KIND_PARTS.map((part, index) => (
        <table key={part.title} class="matrix">
          <thead>
            <tr>
              <th scope="col">{part.title}</th>
              {CHANNELS.map(({ channel, label }) => (
                <th key={channel} scope="col" class={index === 0 ? '' : 'matrix-again'}>
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {part.kinds.map((kind) => (
              <tr key={kind} data-kind={kind}>
                <th scope="row">{NOTICE_LABEL[kind]}</th>
                {CHANNELS.map(({ channel, label }) => (
                  <td key={channel}>
                    <Tick
                      label={`${NOTICE_LABEL[kind]}: ${label}`}
                      checked={channelsOf(preferences, kind).includes(channel)}
                      disabled={saving}
                      onChange={(on) => void save(withChannel(preferences, kind, channel, on))}
                    />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      ))}
    </section>
  );
}

/** A tick whose state is the hub's: pressed and refused, it goes back. */
function Tick(props: {
  readonly label: string;
  readonly checked: boolean;
  readonly disabled: boolean;
  readonly onChange: (on: boolean) => void;
}) {
  return (
    <label class="tick">
      <input
        type="checkbox"
        aria-label={props.label}
        checked={props.checked}
        aria-disabled={props.disabled}
        onClick={(event) => {
          // Drawn from the state alone; the browser's own change would stand when the hub refuses it.
          event.preventDefault();
          if (!props.disabled) props.onChange(!props.checked);
        }}
      />
    </label>
  );
}
