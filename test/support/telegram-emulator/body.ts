/** Reads a call's parameters as the Bot API server does: JSON, form or multipart, where objects come as JSON text. */
import type { IncomingMessage } from 'node:http';
import { isRecord } from './spec.ts';

export interface UploadedFile extends Uint8Array {
  readonly fileName?: string;
}

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
  const form = await new Response(body, { headers: { 'content-type': type } }).formData();
  const values: Record<string, unknown> = {};
  const files = new Map<string, { name: string; bytes: Uint8Array }>();
  for (const [name, value] of form) {
    if (typeof value === 'string') values[name] = readText(value);
    else files.set(name, { name: value.name, bytes: new Uint8Array(await value.arrayBuffer()) });
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
