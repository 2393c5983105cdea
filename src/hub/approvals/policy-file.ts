/**
 * Reads policies.yml. Keys: `defaults.require_approval`, `defaults.human_can_bypass`, `rules[]` with `from`, `to`, `type`, `message_pattern`,
 * `project`, `tool`, `approval`, `label`.
 *
 * Invariants: a file is taken whole or not at all; a fault names the rule, the key, the line and what is allowed; an unknown key is a
 * warning with the nearest known one, and never silently means something.
 */
import { RE2JS } from 're2js';
import { z } from 'zod';
import { nearest } from '../../config/nearest.ts';
import { readYaml, isPlainObject, type Place } from '../../config/yaml-file.ts';
import { PolicyLevel } from '../../protocol/model.ts';
import { lineText } from '../../protocol/text.ts';
import { parseGlob } from './policy-glob.ts';
import { POLICY_TYPES, type MessagePattern, type PolicyRule, type PolicyType, type RuleSet } from './policy.ts';

export interface PolicyFault {
  readonly line: number;
  /** Dotted: `rules.2.approval`. Empty: the file as a whole. */
  readonly key: string;
  /** Names the rule, what is wrong, and what is allowed. */
  readonly text: string;
}

export type PolicyFileResult =
  | { readonly ok: true; readonly rules: RuleSet; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly faults: readonly PolicyFault[] };

const RULES_MAX = 500;
const PATTERN_CHARACTERS_MAX = 1_000;
/** Larger patterns are slow on long messages, however linear. */
const PATTERN_SIZE_MAX = 1_000;

const LEVELS = PolicyLevel.options;
const LEVEL_WORDS = LEVELS.join(', ');
const TYPE_WORDS = [...POLICY_TYPES, '*'].join(', ');

const level = z.enum(LEVELS, { error: `allowed: ${LEVEL_WORDS}` });
const typeName = z.enum([...POLICY_TYPES, '*'], { error: `allowed: ${TYPE_WORDS}` });
const types = z
  .union([typeName, z.array(typeName).min(1).max(10)], { error: `allowed: ${TYPE_WORDS}, or a list of them` })
  .transform(typesOf);
const glob = z.string({ error: 'a pattern in quotes, like "laptop/*" or "**"' }).transform((source, ctx) => {
  const parsed = parseGlob(source);
  if ('glob' in parsed) return parsed.glob;
  ctx.addIssue({ code: 'custom', message: `"${source.slice(0, 60)}" is not a pattern: ${parsed.fault}` });
  return z.NEVER;
});
const messagePattern = z.string({ error: 'a regular expression in quotes' }).transform((source, ctx) => {
  const parsed = patternOf(source);
  if (typeof parsed === 'object') return parsed;
  ctx.addIssue({ code: 'custom', message: parsed });
  return z.NEVER;
});

const Rule = z.object(
  {
    from: glob.prefault('**'),
    to: glob.prefault('**'),
    type: types.prefault('*'),
    message_pattern: messagePattern.optional(),
    project: glob.optional(),
    tool: glob.optional(),
    approval: level,
    label: lineText(200).default(''),
  },
  { error: 'a rule is a set of keys, like { from: "a/*", to: "b/*", approval: once }' },
);
const Defaults = z.object(
  {
    require_approval: level.default('once'),
    human_can_bypass: z.boolean({ error: 'true or false' }).default(true),
  },
  { error: 'keys and values below it' },
);
const PolicyFile = z.object({
  defaults: Defaults.prefault({}),
  rules: z.array(Rule, { error: 'a list of rules, each beginning with "-"' }).max(RULES_MAX).default([]),
});

const KNOWN = {
  file: Object.keys(PolicyFile.shape),
  defaults: Object.keys(Defaults.shape),
  rule: Object.keys(Rule.shape),
};

/** Reads the text of a policy file. `file` is its name for people. */
export function parsePolicyFile(text: string, file: string): PolicyFileResult {
  const yaml = readYaml(text);
  if (!yaml.ok) {
    return { ok: false, faults: yaml.faults.map((fault) => ({ line: fault.line, key: '', text: fault.problem })) };
  }
  const parsed = PolicyFile.safeParse(yaml.value);
  if (!parsed.success) {
    const faults = parsed.error.issues.slice(0, 20).map((issue) => faultOf(issue, yaml.value, yaml.placeOf));
    return { ok: false, faults };
  }
  const rules = parsed.data.rules.map((rule, index): PolicyRule => ({
    index: index + 1,
    label: rule.label,
    from: rule.from,
    to: rule.to,
    types: rule.type,
    project: rule.project,
    tool: rule.tool,
    messagePattern: rule.message_pattern,
    approval: rule.approval,
    line: yaml.placeOf(['rules', index]).line,
  }));
  const { require_approval, human_can_bypass } = parsed.data.defaults;
  return {
    ok: true,
    rules: { file, rules, default: require_approval, humanCanBypass: human_can_bypass },
    warnings: [...unknownKeys(yaml.value, yaml.placeOf), ...uselessRules(rules)],
  };
}

/** One fault as a line: `policies.yml:12 rule 3, approval: …`. */
export function policyFaultLine(file: string, fault: PolicyFault): string {
  return `${file}:${fault.line} ${fault.text}`;
}

/** The pattern, or what is wrong with it in words. */
export function patternOf(source: string): MessagePattern | string {
  if (source === '') return 'an empty pattern would fit everything; leave the key out instead';
  if (source.length > PATTERN_CHARACTERS_MAX) return `a pattern has at most ${PATTERN_CHARACTERS_MAX} characters`;
  try {
    const compiled = RE2JS.compile(source, RE2JS.CASE_INSENSITIVE);
    const size = compiled.programSize();
    if (size > PATTERN_SIZE_MAX) return 'the pattern is too complex; use fewer or smaller repetitions';
    return { source, compiled, size };
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : 'unknown reason';
    const hint = /\(\?[=!<]|\\[1-9]/.test(source)
      ? ' (look-ahead, look-behind and back-references are not known here, because they can take for ever)'
      : '';
    return `not a regular expression: ${reason}${hint}`;
  }
}

function typesOf(given: z.infer<typeof typeName> | z.infer<typeof typeName>[]): readonly PolicyType[] | undefined {
  const list = typeof given === 'string' ? [given] : given;
  const named: PolicyType[] = [];
  for (const one of list) {
    if (one === '*') return undefined;
    if (!named.includes(one)) named.push(one);
  }
  return named;
}

function faultOf(
  issue: z.core.$ZodIssue,
  value: Record<string, unknown>,
  placeOf: (path: readonly PropertyKey[]) => Place,
): PolicyFault {
  const key = issue.path.map(String).join('.');
  const [section, index, field] = issue.path;
  const rule = section === 'rules' && typeof index === 'number' ? `rule ${index + 1}${labelOf(value, index)}` : '';
  const name =
    rule === '' ? key : [rule, field === undefined ? '' : String(field)].filter((part) => part !== '').join(', ');
  const given = valueAt(value, issue.path);
  const problem =
    given === undefined && issue.path.length > 0 ? `is missing; ${issue.message}` : `${shown(given)}${issue.message}`;
  return { line: placeOf(issue.path).line, key, text: `${name}: ${problem}` };
}

function labelOf(value: Record<string, unknown>, index: number): string {
  const label = valueAt(value, ['rules', index, 'label']);
  return typeof label === 'string' && label !== '' ? ` "${label.slice(0, 60)}"` : '';
}

function shown(given: unknown): string {
  return typeof given === 'string' || typeof given === 'number' || typeof given === 'boolean'
    ? `"${String(given).slice(0, 60)}" is not valid: `
    : '';
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const step of path) {
    if (Array.isArray(at) && typeof step === 'number') at = at[step];
    else if (isPlainObject(at) && typeof step === 'string' && Object.hasOwn(at, step)) at = at[step];
    else return undefined;
  }
  return at;
}

function unknownKeys(value: Record<string, unknown>, placeOf: (path: readonly PropertyKey[]) => Place): string[] {
  const warnings: string[] = [];
  const look = (at: unknown, path: readonly (string | number)[], known: readonly string[], where: string): void => {
    if (!isPlainObject(at)) return;
    for (const key of Object.keys(at)) {
      if (known.includes(key)) continue;
      const near = nearest(key, known);
      const hint = near === undefined ? `known here: ${known.join(', ')}` : `did you mean "${near}"?`;
      warnings.push(
        `line ${placeOf([...path, key]).line}: unknown key "${key.slice(0, 60)}"${where}, ignored; ${hint}`,
      );
    }
  };
  look(value, [], KNOWN.file, '');
  look(value['defaults'], ['defaults'], KNOWN.defaults, ' in defaults');
  const rules = value['rules'];
  if (Array.isArray(rules))
    rules.forEach((rule, index) => look(rule, ['rules', index], KNOWN.rule, ` in rule ${index + 1}`));
  return warnings.slice(0, 100);
}

/** Rules that can never decide, which is rarely what their author wanted. */
function uselessRules(rules: readonly PolicyRule[]): string[] {
  const everything = rules.find(
    (rule) =>
      rule.types === undefined &&
      isEverybody(rule.from.source) &&
      isEverybody(rule.to.source) &&
      rule.project === undefined &&
      rule.tool === undefined &&
      rule.messagePattern === undefined,
  );
  if (everything === undefined || everything.index === rules.length) return [];
  return [
    `line ${everything.line}: rule ${everything.index} matches everything, so the rules after it never decide about a message`,
  ];
}

function isEverybody(source: string): boolean {
  return source === '*' || source === '**';
}
