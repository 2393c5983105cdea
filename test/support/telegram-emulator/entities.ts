/** Telegram's HTML mode: text and entities, or the refusal that the real server gives. */

export interface Entity {
  readonly type: string;
  readonly offset: number;
  readonly length: number;
  readonly detail?: string;
}

export interface Parsed {
  readonly text: string;
  readonly entities: readonly Entity[];
}

export class MarkupError extends Error {}

const TAGS = new Map([
  ['b', 'bold'],
  ['strong', 'bold'],
  ['i', 'italic'],
  ['em', 'italic'],
  ['u', 'underline'],
  ['ins', 'underline'],
  ['s', 'strikethrough'],
  ['strike', 'strikethrough'],
  ['del', 'strikethrough'],
  ['code', 'code'],
  ['pre', 'pre'],
  ['a', 'text_link'],
  ['blockquote', 'blockquote'],
  ['span', 'spoiler'],
  ['tg-spoiler', 'spoiler'],
]);
const NAMED = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
]);
/** Bytes of a text before its markup is read. */
const RAW_MAX = 32_768;

export function parseHtml(html: string): Parsed {
  if (Buffer.byteLength(html) > RAW_MAX) throw new MarkupError('text is too long');
  let text = '';
  const entities: Entity[] = [];
  const open: { tag: string; at: number; detail?: string }[] = [];
  for (let at = 0; at < html.length;) {
    const character = html.charAt(at);
    if (character === '&') {
      const reference = /^&(#\d+|#x[0-9a-fA-F]+|[a-z]+);/.exec(html.slice(at, at + 12));
      const decoded = reference?.[1] === undefined ? undefined : decode(reference[1]);
      text += decoded ?? '&';
      at += decoded === undefined ? 1 : (reference?.[0].length ?? 1);
      continue;
    }
    if (character !== '<') {
      text += character;
      at += 1;
      continue;
    }
    const offset = Buffer.byteLength(html.slice(0, at));
    const tag = /^<(\/?)([a-zA-Z-]+)((?:\s+[a-z-]+(?:="[^"]*")?)*)\s*>/.exec(html.slice(at));
    if (tag === null) {
      const name = /^<\/?([a-zA-Z-]*)/.exec(html.slice(at))?.[1] ?? '';
      throw new MarkupError(`can't parse entities: Unsupported start tag "${name}" at byte offset ${offset}`);
    }
    const [whole, slash, rawName = '', attributes = ''] = tag;
    const name = rawName.toLowerCase();
    if (!TAGS.has(name)) {
      throw new MarkupError(`can't parse entities: Unsupported start tag "${name}" at byte offset ${offset}`);
    }
    if (slash === '') {
      const detail = /(?:href|class)="([^"]*)"/.exec(attributes)?.[1];
      open.push({ tag: name, at: text.length, ...(detail === undefined ? {} : { detail }) });
    } else {
      const last = open.pop();
      if (last === undefined)
        throw new MarkupError(`can't parse entities: Unexpected end tag at byte offset ${offset}`);
      if (last.tag !== name) {
        throw new MarkupError(
          `can't parse entities: Unmatched end tag at byte offset ${offset}, expected "</${last.tag}>", found "</${name}>"`,
        );
      }
      const detail = last.detail === undefined ? {} : { detail: last.detail };
      const entity = { type: TAGS.get(name) ?? name, offset: last.at, length: text.length - last.at, ...detail };
      if (entity.length > 0) entities.push(entity);
    }
    at += whole.length;
  }
  const left = open.at(-1);
  if (left !== undefined) {
    throw new MarkupError(`can't parse entities: Can't find end tag corresponding to start tag "${left.tag}"`);
  }
  return { text, entities };
}

function decode(reference: string): string | undefined {
  if (!reference.startsWith('#')) return NAMED.get(reference);
  const code = reference.startsWith('#x') ? parseInt(reference.slice(2), 16) : Number(reference.slice(1));
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}
