/** A terminal and the signals of a process, for what draws full screens: what is written is kept, and shown as a real terminal would. */
import { EventEmitter, once } from 'node:events';
import { Screen } from '../../../src/daemon/terminal/screen.ts';
import { rowText } from '../../../src/daemon/terminal/view.ts';

export class Input extends EventEmitter {
  raw = false;
  setRawMode(on: boolean): void {
    this.raw = on;
  }
  resume(): void {}
  pause(): void {}
  unref(): void {}
}

export class Output extends EventEmitter {
  readonly columns: number;
  readonly rows: number;
  written: string[] = [];
  readonly screen: Screen;
  constructor(columns = 40, rows = 6) {
    super();
    this.columns = columns;
    this.rows = rows;
    this.screen = new Screen({ cols: columns, rows, scrollback: 0 });
  }
  write(text: string): void {
    this.written.push(text);
    this.screen.write(Buffer.from(text));
    this.emit('written');
  }
  async text(): Promise<string[]> {
    await this.screen.flushed();
    return this.screen.view().rows.map(rowText);
  }
  /** Resolves when the words stand on the screen. */
  async shows(words: string): Promise<void> {
    while (!(await this.text()).join('\n').includes(words)) await once(this, 'written');
  }
}

export class Signals extends EventEmitter {
  stopped = 0;
  stop(): void {
    this.stopped += 1;
  }
}
