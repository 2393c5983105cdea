import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ID_KINDS, isId, MessageId, newId, type IdKind } from '../../src/protocol/ids.ts';

const kinds = Object.keys(ID_KINDS).filter((kind): kind is IdKind => kind in ID_KINDS);

describe('ids', () => {
  it('are of their kind and of no other', () => {
    for (const kind of kinds) {
      const id = newId(kind);
      for (const other of kinds) expect(isId(other, id)).toBe(other === kind);
    }
  });

  it('sort by the order in which they were made, also within a millisecond', () => {
    const made = Array.from({ length: 5_000 }, () => newId('message', 1_700_000_000_000));
    expect([...made].sort()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
  });

  it('fit twice into 64 bytes of callback data with a verb', () => {
    for (const kind of kinds) expect(Buffer.byteLength(newId(kind))).toBe(30);
  });

  it('nothing else is one', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `msg_${text}`),
        ),
        (text) => {
          expect(MessageId.safeParse(text).success).toBe(/^msg_[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text));
        },
      ),
    );
    for (const text of [
      'msg_01ARZ3NDEKTSV4RRFFQ69G5FAV\n',
      'msg_01arz3ndektsv4rrffq69g5fav',
      'MSG_01ARZ3NDEKTSV4RRFFQ69G5FAV',
    ]) {
      expect(isId('message', text)).toBe(false);
    }
  });
});
