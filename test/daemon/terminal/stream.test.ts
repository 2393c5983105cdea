/** The model of the screen and what is sent of it: pure parts with generated streams. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundaryFinder } from '../../../src/daemon/terminal/boundary.ts';
import { RawLog } from '../../../src/daemon/terminal/raw-log.ts';
import { OutputRing } from '../../../src/daemon/terminal/ring.ts';
import { Screen } from '../../../src/daemon/terminal/screen.ts';
import type { ScreenView } from '../../../src/daemon/terminal/view.ts';

/** What programs print: words of several scripts, colours, moves, regions, screens (without a colour left on), modes. */
const PIECES = fc.oneof(
  fc.constantFrom('plain text ', 'ä€', '😀', '漢字', 'x'.repeat(30), '\r\n', '\n', '\r', '\t', '\b'),
  fc.constantFrom(
    '\x1b[1m',
    '\x1b[2m',
    '\x1b[7m',
    '\x1b[0m',
    '\x1b[31m',
    '\x1b[38;5;200m',

    '\x1b[3;4m',
  ),
  fc.constantFrom(
    '\x1b[H',
    '\x1b[5;7H',
    '\x1b[2J',
    '\x1b[K',
    '\x1b[1J',
    '\x1b[3A',
    '\x1b[2B',
    '\x1b[10C',
    '\x1b[L',
    '\x1b[M',
    '\x1b[P',
  ),
  fc.constantFrom(
    '\x1b[?25l',
    '\x1b[?25h',
    '\x1b[?2004h',
    '\x1b[?1000h',
    '\x1b[?1006h',
    '\x1b[?1l',
    '\x1b[?1h',
    '\x1b=',
    '\x1b>',
  ),
  fc.constantFrom(
    '\x1b[2;6r',
    '\x1b[r',
    '\x1b[?1049h',
    '\x1b[?1049l',
    '\x1b]0;a title\x07',
    '\x1b]2;ein anderer\x1b\\',
    '\x1bM',
    '\x1bD',
  ),
);
const STREAM = fc.array(PIECES, { maxLength: 60 }).map((pieces) => Buffer.from(pieces.join('')));

function screen(): Screen {
  return new Screen({ cols: 40, rows: 10, scrollback: 50 });
}

async function shown(one: Screen): Promise<ScreenView & { modes: unknown }> {
  await one.flushed();
  const modes = [one.bracketedPaste, one.mouse, one.applicationCursor, one.modes.cursorVisible];
  return { ...one.view(), modes };
}

/** The same as an eye sees it: whether a blank is bold cannot be seen. */
async function seen(one: Screen): Promise<unknown> {
  const view = await shown(one);
  const rows = view.rows.map(({ runs }) =>
    runs
      .flatMap(({ text, ...look }) =>
        Array.from(text, (letter) => {
          const { bg, inverse, underline, strike } = look;
          return `${letter}${JSON.stringify(letter === ' ' ? { bg, inverse, underline, strike } : look)}`;
        }),
      )
      .join('')
      .replace(/(?: \{\})+$/, ''),
  );
  // A title is told beside the snapshot.
  return { ...view, rows, title: '' };
}

describe('a screen', () => {
  it('a snapshot and the bytes after it make the same screen as the whole stream', async () => {
    await fc.assert(
      fc.asyncProperty(STREAM, STREAM, async (before, after) => {
        const whole = screen();
        whole.write(before);
        await whole.flushed();
        const snapshot = whole.snapshot();
        const late = screen();
        late.write(Buffer.from(snapshot.screen));
        await late.flushed();
        // What the snapshot does not hold: a sequence that was cut in the middle.
        const rest = Buffer.concat([before, after]).subarray(snapshot.seq);
        whole.write(after);
        late.write(rest);
        expect(await seen(late)).toEqual(await seen(whole));
      }),
      { numRuns: 150 },
    );
  });

  it('a scrolling region belongs to the screen that it was set on', async () => {
    for (const stream of ['\x1b[2;6r\x1b[?1049h', '\x1b[2;6r\x1b[?1049h\x1b[3;5r', '\x1b[?1049h\x1b[3;5r\x1b[?1049l']) {
      const whole = screen();
      whole.write(Buffer.from(stream));
      await whole.flushed();
      const late = screen();
      late.write(Buffer.from(whole.snapshot().screen));
      const after = Buffer.from(`${'line\r\n'.repeat(12)}end\x1b[?1049l${'more\r\n'.repeat(12)}`);
      for (const one of [whole, late]) one.write(after);
      expect(await seen(late)).toEqual(await seen(whole));
    }
  });

  it('seed: characters and sequences that are split between reads are drawn as if they came whole', async () => {
    await fc.assert(
      fc.asyncProperty(STREAM, fc.array(fc.nat(500), { maxLength: 10 }), async (stream, cuts) => {
        const whole = screen();
        whole.write(stream);
        const split = screen();
        let from = 0;
        for (const cut of [...cuts].sort((a, b) => a - b)) {
          split.write(stream.subarray(from, Math.max(from, cut)));
          from = Math.max(from, cut);
        }
        split.write(stream.subarray(from));
        expect(await shown(split)).toEqual(await shown(whole));
      }),
      { numRuns: 100 },
    );
  });

  it('a snapshot keeps backgrounds without letters, and those of the other screen out', async () => {
    const whole = screen();
    whole.write(Buffer.from('one\x1b[48;2;1;2;3m\x1b[?1049h\x1b[2;3Hx\x1b[44m\x1b[5;1H\x1b[K\x1b[0;1m'));
    await whole.flushed();
    const late = screen();
    late.write(Buffer.from(whole.snapshot().screen));
    for (const one of [whole, late]) one.write(Buffer.from('after'));
    expect(await seen(late)).toEqual(await seen(whole));
  });

  it('tells dim, inverse, colours and wrapped rows apart', async () => {
    const one = screen();
    one.write(Buffer.from(`> \x1b[7mT\x1b[0;2mry this\x1b[0m \x1b[38;2;1;2;3mc\x1b[0m\r\n${'y'.repeat(45)}`));
    const view = await shown(one);
    expect(view.rows[0]?.runs).toEqual([
      { text: '> ' },
      { text: 'T', inverse: true },
      { text: 'ry this', dim: true },
      { text: ' ' },
      { text: 'c', fg: '#010203' },
    ]);
    expect(view.rows[2]?.wrapped).toBe(true);
  });

  it('answers a program only where it is told to', async () => {
    const answers: string[] = [];
    const asked = new Screen({ cols: 40, rows: 10, scrollback: 0, answer: (text) => void answers.push(text) });
    asked.write(Buffer.from('ab\x1b[6n\x1b[c'));
    await asked.flushed();
    expect(answers.join('')).toMatch(/\x1b\[1;3R.*\x1b\[\?/);
  });

  it('a sequence that never ends does not grow for ever', async () => {
    const one = screen();
    one.write(Buffer.from('\x1b]0;'));
    for (let i = 0; i < 40; i += 1) one.write(Buffer.alloc(64 * 1024, 0x61));
    await one.flushed();
    expect(one.backlog).toBeLessThan(1_300_000);
  });
});

describe('the places where a stream can be cut', () => {
  it('are the same however it is split', () => {
    fc.assert(
      fc.property(STREAM, fc.nat(300), (stream, at) => {
        const whole = new BoundaryFinder();
        const last = whole.feed(stream);
        const split = new BoundaryFinder();
        const head = split.feed(stream.subarray(0, at));
        const tail = split.feed(stream.subarray(at));
        expect(tail === 0 ? head : Math.min(at, stream.length) + tail).toBe(last);
        expect(split.whole).toBe(whole.whole);
      }),
    );
  });

  it.each([
    ['ab\x1b[3', 2],
    ['ab\x1b[31m', 7],
    ['a\x1b]0;ti', 1],
    ['a\x1b]0;ti\x07', 8],
    ['a\x1b]0;ti\x1b', 1],
    ['a\x1bP1$q\x1b\\b', 9],
    ['a\x1b(', 1],
    ['a\x1b(B', 4],
  ])('%j is cut after %i bytes', (text, expected) => {
    expect(new BoundaryFinder().feed(Buffer.from(text))).toBe(expected);
  });

  it('never inside a character', () => {
    const bytes = Buffer.from('a€😀');
    for (let end = 0; end <= bytes.length; end += 1) {
      expect([0, 1, 4, 8]).toContain(new BoundaryFinder().feed(bytes.subarray(0, end)));
    }
  });
});

describe('the ring of output', () => {
  it('gives exactly what was put in from any number on, or says that it is gone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.array(fc.uint8Array({ maxLength: 60 })), (capacity, chunks) => {
        const ring = new OutputRing(capacity);
        for (const chunk of chunks) ring.push(chunk);
        const all = Buffer.concat(chunks);
        expect(ring.end).toBe(all.length);
        for (let seq = 0; seq <= all.length; seq += 1) {
          const expected = seq < all.length - capacity ? undefined : all.subarray(seq);
          expect(ring.from(seq)).toEqual(expected === undefined ? undefined : Buffer.from(expected));
        }
        expect(ring.from(all.length + 1)).toBeUndefined();
      }),
    );
  });
});

describe('the raw log', () => {
  it('keeps what fits and says where it was cut', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ic-raw-'));
    const path = join(folder, 'raw.log');
    const log = new RawLog(path, 10);
    log.write(Buffer.from('12345678'));
    log.write(Buffer.from('90abc'));
    log.write(Buffer.from('more'));
    log.close();
    expect(readFileSync(path, 'utf8')).toMatch(/^1234567890\r\n\[intercom: the log ends here, at byte 10;/);
    expect(log.missing).toBe(7);
    rmSync(folder, { recursive: true });
  });
});
