/** A program in a terminal of its own: tmux on a private socket, without anything of the person's configuration. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
let count = 0;

export interface TerminalOptions {
  readonly command: readonly string[];
  readonly cwd: string;
  /** All that it gets. */
  readonly env: Readonly<Record<string, string>>;
  readonly columns?: number;
  readonly rows?: number;
}

interface OpenTerminal {
  readonly server: string;
  readonly pid: number;
}

export class Tmux {
  /** The process id of the program. */
  readonly pid: number;
  readonly #server: string;

  static async open({ command, cwd, env, columns = 160, rows = 50 }: TerminalOptions): Promise<OpenTerminal> {
    const server = `ic-${process.pid}-${(count += 1)}`;
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const line = ['exec', 'env', '-i', ...variables, ...command].map(quoted).join(' ');
    const size = ['-x', String(columns), '-y', String(rows)];
    await run('tmux', ['-L', server, '-f', '/dev/null', 'new-session', '-d', ...size, '-c', cwd, line]);
    await run('tmux', ['-L', server, 'set-option', '-g', 'remain-on-exit', 'on']);
    const { stdout } = await run('tmux', ['-L', server, 'list-panes', '-F', '#{pane_pid}']);
    return { server, pid: Number(stdout.trim()) };
  }

  constructor({ server, pid }: OpenTerminal) {
    this.#server = server;
    this.pid = pid;
  }

  /** A command of tmux itself; what it prints. */
  async tmux(...args: readonly string[]): Promise<string> {
    return (await run('tmux', ['-L', this.#server, ...args])).stdout;
  }

  screen(): Promise<string> {
    return this.tmux('capture-pane', '-p');
  }

  /** Waits until the screen shows it. A screen has no events: this is the one place that looks again and again. */
  async shows(what: RegExp, ms = 20_000): Promise<string> {
    const until = Date.now() + ms;
    for (;;) {
      const screen = await this.screen();
      if (what.test(screen)) return screen;
      if (Date.now() > until) throw new Error(`The screen never showed ${String(what)}:\n${screen}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Types text as a person does, without Enter. */
  async type(text: string): Promise<void> {
    await this.tmux('send-keys', '-l', text);
    // Its beginning: what is longer goes over the line.
    await this.shows(new RegExp(text.slice(0, 60).replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  }

  /** Keys by tmux's names: Enter, Escape, C-c. */
  async press(...keys: readonly string[]): Promise<void> {
    await this.tmux('send-keys', ...keys);
  }

  /** Presses a key until the dialog is gone: a dialog that has just opened takes no keys, so that nobody answers it by accident. */
  async answer(key: string, dialog: RegExp): Promise<void> {
    await this.shows(dialog);
    while (dialog.test(await this.screen())) {
      await this.press(key);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }

  /** Presses Enter until something came of it: right after fast typing some take it for a part of what is pasted (Gemini CLI). */
  async enter<T>(done: Promise<T>): Promise<T> {
    const over = { is: false };
    const watched = done.finally(() => (over.is = true));
    // Whoever awaits it hears of a failure.
    watched.catch(() => undefined);
    while (!over.is) {
      await this.press('Enter');
      await Promise.race([watched.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 500))]);
    }
    return watched;
  }

  /** Closes the terminal, as a person closes its window, if it is still there. */
  async close(): Promise<void> {
    await this.tmux('kill-server').catch(() => undefined);
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
