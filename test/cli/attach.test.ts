/** Joining a terminal: the stream of a real runner, and what is drawn of it here. */
import { afterEach, describe, expect, it } from 'vitest';
import { Viewer } from '../../src/cli/attach/viewer.ts';
import { openTerminal } from '../../src/cli/clients/terminal-stream.ts';
import { Screen } from '../../src/daemon/terminal/screen.ts';
import { rowText } from '../../src/daemon/terminal/view.ts';
import type { TerminalFrame } from '../../src/protocol/terminal-stream.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { RunnerRig, until } from '../support/runner-rig.ts';

const FRAME = { frame: 'snapshot', seq: 0, title: '', skipped: false } as const;

/** This terminal, as a person sees it. */
class Here {
  readonly clock = new ManualClock();
  readonly screen: Screen;
  readonly viewer: Viewer;
  told = '';

  constructor(cols: number, rows: number) {
    this.screen = new Screen({ cols, rows, scrollback: 0 });
    this.viewer = new Viewer({
      out: (text) => {
        this.told += text;
        this.screen.write(Buffer.from(text));
      },
      size: () => ({ cols, rows }),
      clock: this.clock,
    });
  }

  async rows(): Promise<string[]> {
    await this.viewer.flushed();
    this.clock.advance(20);
    await this.screen.flushed();
    return this.screen.view().rows.map(rowText);
  }
}

describe('a terminal that is drawn in another', () => {
  it('looks the same where there is room, cursor and colours included', async () => {
    const here = new Here(40, 8);
    here.viewer.snapshot({ ...FRAME, cols: 30, rows: 6, screen: 'one \x1b[31mred\x1b[0m 漢字\r\ntwo' });
    expect((await here.rows()).slice(0, 3)).toEqual(['one red 漢字', 'two', '']);
    const view = here.screen.view();
    expect(view.rows[0]?.runs[1]).toEqual({ text: 'red', fg: 1 });
    expect(view.cursor).toMatchObject({ x: 3, y: 1 });
    here.viewer.output(Buffer.from(' and more\r\nthree'));
    expect((await here.rows()).slice(0, 3)).toEqual(['one red 漢字', 'two and more', 'three']);
  });

  it('is cut where this one is smaller, says so, and shows the part with the cursor', async () => {
    const here = new Here(20, 5);
    const screen = Array.from({ length: 10 }, (_, index) => `row ${index} ${'x'.repeat(30)}`).join('\r\n');
    here.viewer.snapshot({ ...FRAME, cols: 60, rows: 10, screen });
    expect(here.viewer.isCut).toBe(true);
    expect(await here.rows()).toEqual([5, 6, 7, 8, 9].map((row) => `row ${row} ${'x'.repeat(14)}`));
    here.viewer.notice(' a part is shown ');
    expect((await here.rows()).at(-1)).toBe(' a part is shown');
  });

  it('nothing that it prints reaches this terminal but letters and looks', async () => {
    const here = new Here(40, 8);
    here.viewer.snapshot({ ...FRAME, cols: 40, rows: 8, screen: '' });
    here.viewer.output(Buffer.from('a\x1b]52;c;c2VjcmV0\x07\x1b[6n\x1b[c\x1b]0;title\x07\x1b[?1000h\x1b[8;50;50tb'));
    expect((await here.rows())[0]).toBe('ab');
    for (const sequence of ['\x1b]', '\x1b[6n', '\x1b[c', '\x1b[?1000h', 't'])
      expect(here.told).not.toContain(sequence);
  });

  it('keys come as the program wants them only while they go to it, and all is undone at the end', async () => {
    const here = new Here(40, 8);
    here.viewer.snapshot({ ...FRAME, cols: 40, rows: 8, screen: '\x1b[?2004h\x1b[?1002h\x1b[?1006h\x1b[>1u' });
    await here.rows();
    expect(here.told).not.toContain('\x1b[?2004h');
    here.viewer.typing(true);
    await here.rows();
    for (const mode of ['\x1b[?2004h', '\x1b[?1002h', '\x1b[?1006h', '\x1b[>1u']) expect(here.told).toContain(mode);
    here.viewer.close();
    await here.screen.flushed();
    for (const mode of ['\x1b[?2004l', '\x1b[?1002l', '\x1b[?1006l', '\x1b[<1u', '\x1b[?1049l'])
      expect(here.told).toContain(mode);
    expect(here.screen.isAlternate).toBe(false);
    expect(here.screen.bracketedPaste).toBe(false);
  });
});

describe('the stream', () => {
  let rig: RunnerRig | undefined;

  afterEach(async () => {
    await rig?.end();
  });

  it('brings the screen of a real runner, takes the keyboard and types', async () => {
    rig = await RunnerRig.start({ executable: '/bin/cat', runtime: 'terminal' });
    const frames: TerminalFrame[] = [];
    let output = '';
    const token = rig.record?.key ?? '';
    const url = `ws+unix:${rig.record?.socket ?? ''}:/terminal?as=person&write=1`;
    const stream = await openTerminal(
      { url, token },
      {
        frame: (frame) => void frames.push(frame),
        output: (bytes) => (output += Buffer.from(bytes).toString('utf8')),
        closed: () => undefined,
      },
    );
    await until(() => frames.some((frame) => frame.frame === 'snapshot'), 'a snapshot');
    stream.send({ frame: 'take' });
    await until(() => frames.some((frame) => frame.frame === 'keyboard' && frame.you), 'the keyboard');
    stream.send({ frame: 'input', data: 'hello\r' });
    await until(() => output.includes('hello\r\nhello'), 'the echo');
    stream.close();
    await expect(
      openTerminal({ url, token: 'x' }, { frame: () => undefined, output: () => undefined, closed: () => undefined }),
    ).rejects.toThrow(/cannot be reached \(status 401\)/);
  });
});
