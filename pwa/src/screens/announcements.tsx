/** What agents said to whoever listens: the newest, quietly; the older ones when asked for. */
import { useState } from 'preact/hooks';
import type { Announcement } from '../../../src/protocol/attention.ts';
import { describeAddress } from '../core/addresses.ts';
import { CATEGORY_LABEL } from '../core/attention-words.ts';
import type { MeshState } from '../core/state.ts';
import { Ago } from '../ui/bits.tsx';
import { AgentText } from '../ui/text.tsx';

const FIRST = 4;

export function AnnouncementFeed({ state }: { readonly state: MeshState }) {
  const { announcements } = state.attention;
  const [all, setAll] = useState(false);
  if (announcements.length === 0) return null;
  const shown = all ? announcements : announcements.slice(0, FIRST);
  return (
    <section class="aside-part" aria-labelledby="announced-title">
      <h2 id="announced-title">From your agents</h2>
      <ul class="announced">
        {shown.map((announcement) => (
          <li key={announcement.id}>
            <AnnouncementRow state={state} announcement={announcement} />
          </li>
        ))}
      </ul>
      {announcements.length > FIRST && (
        <button type="button" class="text-button" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? 'Show fewer' : `Show all ${announcements.length}`}
        </button>
      )}
    </section>
  );
}

function AnnouncementRow(props: { readonly state: MeshState; readonly announcement: Announcement }) {
  const { from, text, category, priority, at } = props.announcement;
  const { who, where } = describeAddress(props.state, from);
  return (
    <div class={`announcement announcement-${priority}`} data-announcement={props.announcement.id}>
      <AgentText text={text} />
      <p class="announcement-about">
        <span>{CATEGORY_LABEL[category]}</span>
        <span>
          {who}, {where}
        </span>
        <Ago time={at} />
      </p>
    </div>
  );
}
