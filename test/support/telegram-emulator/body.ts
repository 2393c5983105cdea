/** Reads a call's parameters as the Bot API server does: JSON, form or multipart, where objects come as JSON text. */
import type { IncomingMessage } from 'node:http';
import { isRecord } from './spec.ts';

export async function readParameters(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) if (chunk instanceof Buffer) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (body.length === 0) return {};
  const type = request.headers['content-type'] ?? '';
  if (type.startsWith('application/json')) {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    return isRecord(parsed) ? parsed : {};
  }
  const boundary = /boundary="?([^";]+)"?/.exec(type)?.[1];
  if (boundary === undefined) return Object.fromEntries(new URLSearchParams(body.toString('utf8')));
  const values: Record<string, unknown> = {};
  const files = new Map<string, { name: string; bytes: Uint8Array }>();
  for (const part of partsOf(body, boundary)) {
    const name = /name="?([^";\r]+)"?/.exec(part.head)?.[1] ?? '';
    const fileName = /filename="?([^";\r]+)"?/.exec(part.head)?.[1];
    if (fileName === undefined) values[name] = readText(part.bytes.toString('utf8'));
    else files.set(name, { name: fileName, bytes: new Uint8Array(part.bytes) });
  }
  // A file may be named by reference: document=attach://part.
  for (const [name, value] of Object.entries(values)) {
    if (typeof value !== 'string' || !value.startsWith('attach://')) continue;
    const file = files.get(value.slice('attach://'.length));
    if (file === undefined) continue;
    values[name] = file.bytes;
    values[`${name}:name`] = file.name;
  }
  for (const [name, file] of files) {
    if (Object.values(values).includes(file.bytes)) continue;
    values[name] = file.bytes;
    values[`${name}:name`] = file.name;
  }
  return values;
}

function partsOf(body: Buffer, boundary: string): { head: string; bytes: Buffer }[] {
  const parts: { head: string; bytes: Buffer }[] = [];
  const mark = Buffer.from(`--${boundary}`);
  let at = body.indexOf(mark);
  while (at >= 0) {
    const next = body.indexOf(mark, at + mark.length);
    if (next < 0) break;
    // Between the marks: CRLF, head, blank line, content, CRLF.
    const part = body.subarray(at + mark.length + 2, next - 2);
    const blank = part.indexOf('\r\n\r\n');
    if (blank >= 0) parts.push({ head: part.subarray(0, blank).toString('utf8'), bytes: part.subarray(blank + 4) });
    at = next;
  }
  return parts;
}

function readText(text: string): unknown {
  if (/^-?\d{1,15}$/.test(text)) return Number(text);
  if (text === 'true' || text === 'false') return text === 'true';
  if (!/^[[{]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
