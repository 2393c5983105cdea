/** What Claude Code offers as "always" beside a permission request, in words. A kind that is not known is named and not guessed at. */
import { z } from 'zod';

const Suggestion = z.looseObject({
  type: z.string(),
  behavior: z.string().optional().catch(undefined),
  destination: z.string().optional().catch(undefined),
  mode: z.string().optional().catch(undefined),
  rules: z
    .array(z.looseObject({ toolName: z.string(), ruleContent: z.string().optional().catch(undefined) }))
    .catch([]),
  directories: z.array(z.string()).catch([]),
});

const WHERE: Readonly<Record<string, string>> = {
  session: 'for this session',
  localSettings: 'in this project, for you',
  projectSettings: 'in this project, for everybody',
  userSettings: 'in all projects',
  cliArg: 'for this session',
};
const MODES: Readonly<Record<string, string>> = {
  acceptEdits: 'accept edits',
  default: 'ask each time',
  plan: 'plan',
  auto: 'auto',
  dontAsk: 'do not ask',
  bypassPermissions: 'bypass all permissions',
};

export function suggestionWords(given: unknown): string {
  const parsed = Suggestion.safeParse(given);
  if (!parsed.success) return 'something that the agent does not name';
  const { type, behavior, destination, mode, rules, directories } = parsed.data;
  const where = WHERE[destination ?? ''] ?? (destination === undefined ? '' : `in ${destination}`);
  const end = where === '' ? '' : ` ${where}`;
  const list = rules.map(({ toolName, ruleContent }) =>
    ruleContent === undefined ? toolName : `${toolName}(${ruleContent})`,
  );
  switch (type) {
    case 'addRules':
      return `Always ${behavior ?? 'allow'} ${list.join(', ')}${end}`;
    case 'replaceRules':
      return `Replace the rules by: ${behavior ?? 'allow'} ${list.join(', ')}${end}`;
    case 'removeRules':
      return `Remove the rules ${list.join(', ')}${end}`;
    case 'setMode':
      return `Switch to the mode "${MODES[mode ?? ''] ?? mode ?? 'unknown'}"${end}`;
    case 'addDirectories':
      return `Allow work in ${directories.join(', ')}${end}`;
    case 'removeDirectories':
      return `No more work in ${directories.join(', ')}${end}`;
    default:
      return `${type}${end}`;
  }
}
