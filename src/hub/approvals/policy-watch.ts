/**
 * Keeps the rules of policies.yml current while the hub runs.
 *
 * Invariants: there are always rules; a faulty file changes nothing but the fault that is shown, also over a restart (the last good text is
 * remembered); a file that goes away means the built-in defaults. Editors replace files, so the directory is watched; where watching does not work
 * (a link's target, a network disk), the text is compared now and then.
 */
import { watch, type FSWatcher } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import { isMissing } from '../../platform/files.ts';
import type { Log } from '../../platform/log.ts';
import { parsePolicyFile, policyFaultLine } from './policy-file.ts';
import { BUILT_IN_RULES, type RuleSet } from './policy.ts';

export interface PolicyState {
  readonly rules: RuleSet;
  /** The path of the file; absent while there is none. */
  readonly path: string | undefined;
  readonly loadedAt: number;
  /** What is wrong with the file on disk; the rules are the last good ones. */
  readonly fault: string | undefined;
  readonly warnings: readonly string[];
}

/** Where the last good text is kept between runs. */
export interface LastGoodPolicy {
  load(): Promise<string | undefined>;
  save(text: string | undefined): Promise<void>;
}

export interface PolicyWatchOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly lastGood: LastGoodPolicy;
  /** Told after each change of the rules or of the fault, not for the first load. */
  readonly onChange: (state: PolicyState) => void;
}

const SIZE_MAX = 1024 * 1024;
/** An editor writes a file in several steps; they settle within this. */
const SETTLE_MS = 100;
const COMPARE_MS = 30_000;

export class PolicyWatch {
  readonly #options: PolicyWatchOptions;
  #state: PolicyState;
  /** The text that the state came from; undefined: no file. */
  #text: string | undefined;
  #watcher: FSWatcher | undefined;
  #settling: CancelTimer | undefined;
  #comparing: CancelTimer | undefined;
  #busy: Promise<void> = Promise.resolve();

  /** Reads the file and watches it. Never throws for what is in the file. */
  static async start(options: PolicyWatchOptions): Promise<PolicyWatch> {
    const policy = new PolicyWatch(options);
    await policy.#firstLoad();
    policy.#watch();
    return policy;
  }

  private constructor(options: PolicyWatchOptions) {
    this.#options = options;
    this.#state = {
      rules: BUILT_IN_RULES,
      path: undefined,
      loadedAt: options.clock.now(),
      fault: undefined,
      warnings: [],
    };
  }

  get state(): PolicyState {
    return this.#state;
  }

  /** The rules that hold now. */
  get rules(): RuleSet {
    return this.#state.rules;
  }

  /** Reads the file again if it changed. Resolves when the new rules hold. */
  reload(): Promise<void> {
    this.#busy = this.#busy.then(() => this.#reloadNow());
    return this.#busy;
  }

  async stop(): Promise<void> {
    this.#settling?.();
    this.#comparing?.();
    this.#watcher?.close();
    await this.#busy;
  }

  async #firstLoad(): Promise<void> {
    const read = await this.#read();
    this.#text = read.text;
    const state = this.#stateOf(read);
    if (state.fault === undefined) {
      this.#state = state;
      await this.#remember(read.text);
      return;
    }
    const good = await this.#lastGood();
    const parsed = good === undefined ? undefined : parsePolicyFile(good, basename(this.#options.file));
    this.#state = parsed?.ok === true ? { ...state, rules: parsed.rules } : state;
    this.#options.log.warn({ file: this.#options.file, fault: state.fault }, 'the policy file is faulty');
  }

  async #reloadNow(): Promise<void> {
    const read = await this.#read();
    if (read.fault === undefined && read.text === this.#text && this.#state.fault === undefined) return;
    const before = this.#state;
    const next = this.#stateOf(read);
    const sameText = read.text === this.#text;
    this.#text = read.text;
    if (sameText && next.fault === before.fault) return;
    this.#state = next;
    if (next.fault === undefined) await this.#remember(read.text);
    this.#options.log.info({ rules: next.rules.rules.length, fault: next.fault }, 'policy read again');
    this.#options.onChange(next);
  }

  #stateOf(read: { text?: string | undefined; fault?: string | undefined }): PolicyState {
    const { file, clock } = this.#options;
    if (read.fault !== undefined) return { ...this.#state, path: file, fault: read.fault };
    if (read.text === undefined) {
      return { rules: BUILT_IN_RULES, path: undefined, loadedAt: clock.now(), fault: undefined, warnings: [] };
    }
    const name = basename(file);
    const parsed = parsePolicyFile(read.text, name);
    if (!parsed.ok) {
      const first = parsed.faults[0];
      const line = first === undefined ? `${name} cannot be read` : policyFaultLine(name, first);
      const more = parsed.faults.length > 1 ? ` (and ${parsed.faults.length - 1} more)` : '';
      return { ...this.#state, path: file, fault: `${line}${more}` };
    }
    return { rules: parsed.rules, path: file, loadedAt: clock.now(), fault: undefined, warnings: parsed.warnings };
  }

  async #read(): Promise<{ text?: string | undefined; fault?: string | undefined }> {
    const { file } = this.#options;
    const name = basename(file);
    try {
      const facts = await stat(file);
      if (!facts.isFile()) return { fault: `${name} is not a file` };
      if (facts.size > SIZE_MAX) return { fault: `${name} is larger than 1 MiB` };
      return { text: await readFile(file, 'utf8') };
    } catch (error) {
      if (isMissing(error)) return {};
      return { fault: `${name} cannot be read: ${error instanceof Error ? error.message : 'unknown reason'}` };
    }
  }

  #watch(): void {
    const { clock, file, log } = this.#options;
    this.#comparing = clock.every(COMPARE_MS, () => void this.reload());
    try {
      const watcher = watch(dirname(file), { persistent: false }, (_event, name) => {
        if (name === null || name === basename(file)) this.#settle();
      });
      watcher.on('error', (error) => {
        log.debug({ err: error }, 'the policy directory is not watched any more; the file is compared now and then');
        watcher.close();
      });
      this.#watcher = watcher;
    } catch (error) {
      log.debug({ err: error }, 'the policy directory cannot be watched; the file is compared now and then');
    }
  }

  #settle(): void {
    this.#settling?.();
    this.#settling = this.#options.clock.after(SETTLE_MS, () => void this.reload());
  }

  async #lastGood(): Promise<string | undefined> {
    try {
      return await this.#options.lastGood.load();
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the last good policy cannot be read');
      return undefined;
    }
  }

  async #remember(text: string | undefined): Promise<void> {
    try {
      await this.#options.lastGood.save(text);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the last good policy cannot be kept');
    }
  }
}
