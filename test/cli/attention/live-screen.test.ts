/** The terminal of the live table: what is written to it, and that it is left as it was found. */
import { describe, expect, it } from 'vitest';
import type { Key } from '../../../src/cli/attention/keys.ts';
import { LiveScreen } from '../../../src/cli/attention/live-screen.ts';
import { IDLE_MS, Looking } from '../../../src/cli/attention/looking.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { Input, Output, Signals } from '../support/fake-terminal.ts';

function open() {
  const parts = { input: new Input(), output: new Output(), signals: new Signals(), clock: new ManualClock() };
  const keys: Key[] = [];
  const told: string[] = [];
  const screen = new LiveScreen({
    ...parts,
    onKey: (key) => void keys.push(key),
    onRedraw: () => void told.push('redraw'),
    onStopped: (stopped) => void told.push(stopped ? 'stopped' : 'continued'),
  });
  return { ...parts, keys, told, screen };
}

type Opened = ReturnType<typeof open>;

describe('the live screen', () => {
  it('writes only the rows that changed, full ones to their last letter', async () => {
    const { screen, output } = open();
    screen.draw(['one', 'x'.repeat(40), '', '', '', 'end']);
    expect((await output.text()).slice(0, 2)).toEqual(['one', 'x'.repeat(40)]);
    output.written = [];
    screen.draw(['two', 'x'.repeat(40), '', '', '', 'end']);
    expect(output.written).toEqual(['\x1b[?2026h\x1b[1;1H\x1b[0mtwo\x1b[0m\x1b[K\x1b[?2026l']);
    screen.draw(['two', 'x'.repeat(40), '', '', '', 'end']);
    expect(output.written).toHaveLength(1);
  });

  it('is drawn anew when the size changes', () => {
    const { output, told } = open();
    output.emit('resize');
    expect(told).toEqual(['redraw']);
    expect(output.written.at(-1)).toBe('\x1b[2J');
  });

  const ends: [how: string, end: (opened: Opened) => void][] = [
    ['closed', ({ screen }) => screen.close()],
    ['ended by the process', ({ signals }) => void signals.emit('exit')],
    ['stopped', ({ signals }) => void signals.emit('SIGTSTP')],
  ];
  it.each(ends)('leaves the terminal as it was found when it is %s', async (_how, end) => {
    const opened = open();
    expect(opened.input.raw).toBe(true);
    opened.screen.draw(['something']);
    end(opened);
    await opened.output.screen.flushed();
    expect(opened.input.raw).toBe(false);
    expect(opened.output.screen.isAlternate).toBe(false);
    expect(opened.output.screen.bracketedPaste).toBe(false);
    expect(opened.output.screen.view().cursor.visible).toBe(true);
    // And nothing more is drawn into what is the shell's again.
    const before = opened.output.written.length;
    opened.screen.draw(['something else']);
    expect(opened.output.written).toHaveLength(before);
  });

  it('comes back after it was stopped, with everything drawn', async () => {
    const { signals, screen, output, input, told } = open();
    screen.draw(['one']);
    screen.suspend();
    expect([signals.stopped, told]).toEqual([1, ['stopped']]);
    signals.emit('SIGCONT');
    expect(told).toEqual(['stopped', 'continued', 'redraw']);
    expect(input.raw).toBe(true);
    screen.draw(['one']);
    expect((await output.text())[0]).toBe('one');
  });

  it('keys come as they are typed, a lone Escape after a moment', () => {
    const { input, keys, clock, screen } = open();
    input.emit('data', Buffer.from('a\x1b'));
    expect(keys).toEqual([{ name: 'char', text: 'a' }]);
    clock.advance(50);
    expect(keys.at(-1)).toEqual({ name: 'escape' });
    screen.close();
    input.emit('data', Buffer.from('a'));
    expect(keys).toHaveLength(2);
  });
});

it('a table counts as looked at from the start and with each key, until nobody touched it for a while', () => {
  const clock = new ManualClock();
  const looking = new Looking(clock);
  const said: boolean[] = [];
  looking.connected((frame) => {
    if (frame.frame === 'looking') said.push(frame.looking);
  });
  clock.advance(IDLE_MS - 1);
  looking.key();
  clock.advance(IDLE_MS - 1);
  expect(said).toEqual([true]);
  clock.advance(2);
  expect(said).toEqual([true, false]);
  looking.key();
  looking.away();
  expect(said).toEqual([true, false, true, false]);
  // Whoever connects again is told how things are.
  looking.connected((frame) => void said.push(frame.frame === 'looking' && frame.looking));
  expect(said.at(-1)).toBe(false);
});
