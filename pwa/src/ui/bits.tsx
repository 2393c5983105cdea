/** Small pieces that every screen uses. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { toIntercomError } from '../../../src/protocol/errors.ts';
import { copyText } from '../core/browser.ts';
import { ago, fullTime, until, useNow } from '../core/time.ts';
import type { Tone } from '../core/words.ts';

/** A state in a word or two, with its colour and a lamp (colour never speaks alone). */
export function Chip({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return (
    <span class={`chip tone-${tone}`}>
      <span class="lamp" aria-hidden="true" />
      {children}
    </span>
  );
}

/** "3 min ago", with the whole time for who asks. */
export function Ago({ time }: { readonly time: string }) {
  const now = useNow();
  return (
    <time dateTime={time} title={fullTime(time)}>
      {ago(time, now)}
    </time>
  );
}

export function Expiry({ time }: { readonly time: string }) {
  const now = useNow();
  const left = until(time, now);
  return (
    <time dateTime={time} title={fullTime(time)}>
      {left === undefined ? 'Its time is over' : `Expires ${left}`}
    </time>
  );
}

/** What a person sees where there is nothing: what this place is for, and what to do next. */
export function Empty({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <div class="empty">
      <svg class="empty-art" viewBox="0 0 120 48" aria-hidden="true" focusable="false">
        <circle cx="20" cy="30" r="9" />
        <circle cx="100" cy="30" r="9" />
        <path d="M29 30h14M77 30h14" />
        <path class="empty-gap" d="M47 30h26" />
      </svg>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** A command to type, with a button that copies it. */
export function Command({ text }: { readonly text: string }) {
  const [copied, setCopied] = useState(false);
  return (
    <span class="command">
      <code>{text}</code>
      <button
        type="button"
        class="text-button"
        onClick={() => {
          void copyText(text).then(setCopied);
        }}
      >
        {copied ? 'Copied' : 'Copy'}
      </button>
    </span>
  );
}

/** What went wrong, and what to do now. */
export function Problem({ error }: { readonly error: unknown }) {
  const known = toIntercomError(error);
  return (
    <p class="problem" role="alert">
      <strong>{known.message}</strong> {known.next}
    </p>
  );
}

/** A modal window: a sheet from below on a phone, a card on a desk. Escape and the close button close it. */
export function Dialog(props: {
  readonly title: string;
  readonly onClose: () => void;
  readonly wide?: boolean;
  readonly children: ComponentChildren;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    if (dialog !== null && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      class={props.wide === true ? 'dialog wide' : 'dialog'}
      aria-label={props.title}
      onClose={props.onClose}
      onClick={(event) => {
        if (event.target === ref.current) props.onClose();
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2>{props.title}</h2>
          <button type="button" class="text-button" onClick={props.onClose}>
            Close
          </button>
        </header>
        {props.children}
      </div>
    </dialog>
  );
}

/** Something that a button started: whether it still runs, and how it failed. */
export function useAction(): {
  readonly busy: boolean;
  readonly error: unknown;
  readonly run: (action: () => Promise<void>) => void;
} {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const here = useRef(true);
  useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
    };
  }, []);
  const run = (action: () => Promise<void>) => {
    if (busy) return;
    setBusy(true);
    setError(undefined);
    action()
      .catch((thrown: unknown) => {
        if (here.current) setError(thrown);
      })
      .finally(() => {
        if (here.current) setBusy(false);
      });
  };
  return { busy, error, run };
}

/** Fetches when the screen opens and whenever `key` changes; an answer to an older question is dropped. */
export function useFetch(
  key: string,
  fetcher: () => Promise<void>,
): { readonly error: unknown; readonly done: boolean } {
  const [result, setResult] = useState<{ readonly error: unknown; readonly done: boolean }>({
    error: undefined,
    done: false,
  });
  useEffect(() => {
    let current = true;
    fetcher().then(
      () => {
        if (current) setResult({ error: undefined, done: true });
      },
      (error: unknown) => {
        if (current) setResult({ error, done: true });
      },
    );
    return () => {
      current = false;
    };
  }, [key]);
  return result;
}
