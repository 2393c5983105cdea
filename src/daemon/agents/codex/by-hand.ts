/**
 * The arguments with which a person starts Codex, as far as its own app-server beside the terminal matters (`intercom run codex`).
 *
 * Invariant: nothing that a person says is lost between the two programs. Configuration goes to the server too; what only the terminal needs stays with it; with anything else (a sandbox,
 * a profile, a server of their own, options that we do not know) Codex is started as it is.
 */

/** What configures both; each has a value. */
const CONFIGURES = new Set(['-c', '--config', '--enable', '--disable']);
/** What the terminal tells the server, or keeps to itself (Codex 0.169.0); with a value, and without. */
const TOLD = new Set(['-m', '--model', '-i', '--image', '-C', '--cd']);
const PLAIN = new Set(['--no-alt-screen', '--last', '--all']);

/** The words that configure; undefined: it is to be started as it is. */
export function configurationIn(args: readonly string[]): readonly string[] | undefined {
  const words: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    if (arg === '--') break;
    if (!arg.startsWith('-') || PLAIN.has(arg)) continue;
    const [name = '', ...rest] = arg.split('=');
    const hasValue = rest.length > 0 && arg.startsWith('--');
    const value = hasValue ? rest.join('=') : args[(at += 1)];
    if (value === undefined || !(CONFIGURES.has(name) || TOLD.has(name))) return undefined;
    if (CONFIGURES.has(name)) words.push(name, value);
  }
  return words;
}
