/** A chat as a page, near enough to what a phone shows to judge the wording and the layout of cards. */
import { writeFileSync } from 'node:fs';
import type { Parsed } from './entities.ts';
import type { TelegramEmulator } from './emulator.ts';
import type { ShownMessage } from './chats.ts';

const STYLE = `
body { background:#0e1621; color:#f5f5f5; font:15px/1.35 -apple-system,Roboto,"Noto Sans","DejaVu Sans","Noto Color Emoji",sans-serif; margin:0; width:430px; padding:12px; }
h2 { font-size:14px; color:#8ab4d8; margin:18px 0 8px; }
.m { background:#182533; border-radius:12px; padding:8px 10px 4px; margin:0 0 3px; max-width:390px; width:fit-content; overflow-wrap:anywhere; }
.me { background:#2b5278; margin-left:auto; }
.t { white-space:pre-wrap; }
.r { border-left:3px solid #5ea3dc; padding-left:6px; color:#9fb6cc; font-size:13px; margin-bottom:3px; max-height:2.6em; overflow:hidden; }
.meta { color:#6d7f8f; font-size:11px; text-align:right; }
code, pre { font:13px/1.35 "DejaVu Sans Mono",monospace; color:#8fc7f2; }
pre { background:#0f1a26; border-left:3px solid #5ea3dc; border-radius:4px; padding:6px; margin:2px 0; white-space:pre-wrap; }
blockquote { background:#1f3144; border-left:3px solid #5ea3dc; border-radius:4px; margin:2px 0; padding:4px 8px; }
.k { display:grid; gap:3px; margin:0 0 10px; max-width:410px; }
.k div { display:grid; grid-auto-flow:column; grid-auto-columns:1fr; gap:3px; }
.b { background:#24384d; border-radius:8px; padding:9px; text-align:center; font-size:14px; }
.success { background:#2f6d46; } .danger { background:#7c3238; }
.f { background:#24384d; border-radius:8px; padding:8px; margin:3px 0; }
.x { display:inline-block; background:#24384d; border-radius:10px; padding:1px 7px; font-size:13px; margin-bottom:3px; }
.s { margin-bottom:10px; }`;

const TAGS: Readonly<Record<string, string>> = {
  bold: 'b',
  italic: 'i',
  underline: 'u',
  strikethrough: 's',
  code: 'code',
  pre: 'pre',
  blockquote: 'blockquote',
  text_link: 'u',
};

export function chatPage(emulator: TelegramEmulator, chatId: number): string {
  const places: { title: string; messages: ShownMessage[] }[] = [
    { title: 'General', messages: emulator.messages(chatId, 'general') },
    ...emulator.topics(chatId).map((topic) => ({ title: topic.name, messages: emulator.messages(chatId, topic.id) })),
  ];
  const body = places
    .filter((place) => place.messages.length > 0)
    .map(
      (place) =>
        `<h2># ${escape(place.title)}</h2>${place.messages.map((each) => bubble(emulator, chatId, each)).join('')}`,
    );
  return `<!doctype html><meta charset="utf-8"><style>${STYLE}</style>${body.join('\n')}`;
}

export function renderChat(emulator: TelegramEmulator, chatId: number, file: string): void {
  writeFileSync(file, chatPage(emulator, chatId));
}

function bubble(emulator: TelegramEmulator, chatId: number, message: ShownMessage): string {
  const replied =
    message.replyTo === undefined ? undefined : emulator.messages(chatId).find((m) => m.id === message.replyTo);
  const reply = replied === undefined ? '' : `<div class="r">${escape(replied.content.text.slice(0, 120))}</div>`;
  const file =
    message.document === undefined
      ? ''
      : `<div class="f">📄 ${escape(message.document.name)} (${message.document.text.length} characters)</div>`;
  const reaction = message.reaction === undefined ? '' : `<div class="x">${message.reaction}</div>`;
  const rows = message.buttons.map(
    (row) =>
      `<div>${row.map((button) => `<span class="b ${button.style ?? ''}">${escape(button.text)}</span>`).join('')}</div>`,
  );
  const keys = rows.length === 0 ? '<div class="s"></div>' : `<div class="k">${rows.join('')}</div>`;
  const asks = message.asks === undefined ? '' : `<div class="b">↩ ${escape(message.asks)}…</div>`;
  const meta = `${message.silent ? '🔕 ' : ''}${message.edits > 0 ? 'edited ' : ''}${new Date(message.date).toISOString().slice(11, 16)}`;
  return `<div class="m ${message.from === 'bot' ? '' : 'me'}">${reply}${file}<div class="t">${toHtml(message.content)}</div>${reaction}<div class="meta">${meta}</div></div>${asks}${keys}`;
}

function toHtml(content: Parsed): string {
  const opens = new Map<number, string[]>();
  const closes = new Map<number, string[]>();
  for (const entity of [...content.entities].sort((a, b) => b.length - a.length)) {
    const tag = TAGS[entity.type] ?? 'span';
    opens.set(entity.offset, [...(opens.get(entity.offset) ?? []), `<${tag}>`]);
    const end = entity.offset + entity.length;
    closes.set(end, [`</${tag}>`, ...(closes.get(end) ?? [])]);
  }
  let html = '';
  for (let at = 0; at <= content.text.length; at += 1) {
    html += (closes.get(at) ?? []).join('') + (opens.get(at) ?? []).join('') + escape(content.text.charAt(at));
  }
  // Blocks break the line themselves.
  return html.replace(/<\/(pre|blockquote)>\n/g, '</$1>').replace(/\n<(pre|blockquote)>/g, '<$1>');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
