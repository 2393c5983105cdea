/**
 * The script in a command as Codex tells it: the words of its argv, quoted and joined (Rust's `shlex::try_join`, Codex 0.169.0), mostly `/bin/bash -lc '…'`. The shell around it is
 * Codex' own, and its terminal does not show it either; a person, and a rule about commands, mean what stands in it.
 *
 * Invariant: what is returned is what runs. What is not exactly a shell of the machine with one script is returned as it came: a `./bash` in a project is any program.
 */

/** By its name, or in one of the system's own folders. */
const SHELL =
  /^(?:\/bin\/|\/usr\/bin\/|\/usr\/local\/bin\/|\/opt\/homebrew\/bin\/|\/run\/current-system\/sw\/bin\/)?(?:ba|z|da|k)?sh$/;
const RUNS_SCRIPT = /^-l?c$/;

export function shellScript(command: string): string {
  const [shell = '', flag = '', script, ...more] = unquoted(command) ?? [];
  const isWrapped = SHELL.test(shell) && RUNS_SCRIPT.test(flag) && more.length === 0;
  return isWrapped && script !== undefined ? script : command;
}

/** One word is parts side by side: bare, in single quotes, or in double quotes with backslashes before what means something there. */
const PART = /'([^']*)'|"((?:[^"\\$`]|\\[\\"$`])*)"|([^\s'"\\$`;&|<>()*?#~[\]{}!^]+)/y;
const ESCAPED = /\\([\\"$`])/g;

/** undefined: it is no plain join of words. */
function unquoted(command: string): readonly string[] | undefined {
  const words: string[] = [];
  let at = 0;
  while (at < command.length) {
    let word = '';
    const start = at;
    for (;;) {
      PART.lastIndex = at;
      const part = PART.exec(command);
      if (part === null) break;
      const [whole, single, double, bare] = part;
      word += single ?? double?.replace(ESCAPED, '$1') ?? bare ?? '';
      at += whole.length;
    }
    if (at === start) return undefined;
    words.push(word);
    if (at < command.length && command[at] !== ' ') return undefined;
    at += 1;
  }
  return words;
}
