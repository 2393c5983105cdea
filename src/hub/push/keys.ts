/**
 * The key pair (VAPID, RFC 8292) that push services know this hub by: made at the first start, in a file that only its owner reads.
 *
 * Invariant: the pair stays as long as the file does, because every subscription is bound to it.
 */
import { createECDH } from 'node:crypto';
import { z } from 'zod';
import { readIfThere, replaceFile } from '../../platform/files.ts';
import { IntercomError } from '../../protocol/errors.ts';

/** base64url: the uncompressed point, and the scalar. */
const PushKeys = z.object({ publicKey: z.string().length(87), privateKey: z.string().length(43) });
export type PushKeys = z.infer<typeof PushKeys>;

/** Throws `storage_failed` where the file is there and cannot be read as keys. */
export async function pushKeys(file: string): Promise<PushKeys> {
  const text = await readIfThere(file);
  if (text !== undefined) return readKeys(text, file);
  const keys = newKeys();
  await replaceFile(file, `${JSON.stringify(keys)}\n`);
  return keys;
}

function newKeys(): PushKeys {
  const pair = createECDH('prime256v1');
  const publicKey = pair.generateKeys('base64url');
  // A scalar that begins with zeros is shorter than it must be written.
  const privateKey = Buffer.concat([Buffer.alloc(32), pair.getPrivateKey()])
    .subarray(-32)
    .toString('base64url');
  return { publicKey, privateKey };
}

function readKeys(text: string, file: string): PushKeys {
  try {
    return PushKeys.parse(JSON.parse(text));
  } catch (error) {
    throw new IntercomError('storage_failed', `${file} does not hold the keys for web push.`, {
      next: 'Put it back from a backup, or delete it: then the web app must be allowed to notify once more on every phone.',
      cause: error,
    });
  }
}
