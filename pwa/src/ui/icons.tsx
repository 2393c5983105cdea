/** The few drawings of the app, as elements; decorative, so hidden from screen readers. */
import type { ComponentChildren } from 'preact';

function Icon({ children }: { readonly children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

/** The mark: an intercom panel with its speaker and its lamp. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect class="mark-panel" x="4.5" y="2.5" width="23" height="27" rx="6.5" />
      <path class="mark-panel" d="M11 10h10M11 15.5h10" />
      <circle class="mark-lamp" cx="20" cy="22.5" r="3" />
    </svg>
  );
}

/** Somebody calls. */
export const AttentionIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="2.4" />
    <path d="M7.8 7.8a6 6 0 0 0 0 8.4M16.2 7.8a6 6 0 0 1 0 8.4M4.6 4.6a10.5 10.5 0 0 0 0 14.8M19.4 4.6a10.5 10.5 0 0 1 0 14.8" />
  </Icon>
);
export const BellIcon = () => (
  <Icon>
    <path d="M6.5 16.5v-5.6a5.5 5.5 0 0 1 11 0v5.6l1.5 1.8H5z" />
    <path d="M10.2 20.6a2 2 0 0 0 3.6 0" />
  </Icon>
);
export const ThreadsIcon = () => (
  <Icon>
    <path d="M4 5.5h11v8H9l-3 3v-3H4z" />
    <path d="M18 9.5h2v8h-2v3l-3-3h-4" />
  </Icon>
);
export const MachinesIcon = () => (
  <Icon>
    <rect x="4" y="4.5" width="16" height="6" rx="1.5" />
    <rect x="4" y="13.5" width="16" height="6" rx="1.5" />
    <path d="M7.5 7.5h.01M7.5 16.5h.01" />
  </Icon>
);
export const MissionsIcon = () => (
  <Icon>
    <rect x="3.5" y="4.5" width="17" height="15" rx="2" />
    <path d="M7.5 9.5l3 2.5-3 2.5M12.5 15h4" />
  </Icon>
);
export const BackIcon = () => (
  <Icon>
    <path d="M14.5 5.5 8 12l6.5 6.5" />
  </Icon>
);
export const CloseIcon = () => (
  <Icon>
    <path d="M6 6l12 12M18 6 6 18" />
  </Icon>
);
export const SendIcon = () => (
  <Icon>
    <path d="M12 19V5M6 11l6-6 6 6" />
  </Icon>
);
export const SunIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="4" />
    <path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M18.4 5.6 17 7M7 17l-1.4 1.4" />
  </Icon>
);
export const MoonIcon = () => (
  <Icon>
    <path d="M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z" />
  </Icon>
);
export const AutoIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="8" />
    <path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor" stroke="none" />
  </Icon>
);
export const ExitIcon = () => (
  <Icon>
    <path d="M10 5H5v14h5M14.5 8.5 18 12l-3.5 3.5M18 12H9.5" />
  </Icon>
);
