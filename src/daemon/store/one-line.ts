/** Agents' words can hold anything: what may stand in a line of text on the wire. */

const DIRECTION = /[\u202a-\u202e\u2066-\u2069]/gu;
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** One line of at most `max` UTF-16 units that `lineText(max)` takes. */
export function oneLine(text: string, max: number): string {
  // Far more than is kept would only be cut again.
  const clean = text
    .slice(0, max * 4)
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .replace(DIRECTION, '')
    .replace(LONE_SURROGATE, '\ufffd')
    .trim();
  return clean.length <= max ? clean : `${clean.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
