/**
 * What policy says about one message: a pure function of the rules, the grants and the question, with every step it took.
 *
 * Order: the rules from the top, the first that matches decides (for a tool the rules that deny are held against it before the others, wherever they stand) · if it denies, that is the end: no grant is looked at · then a grant
 * that covers the question lets it pass · then what comes from a person, goes to a person, or answers what was let through, is not asked
 * about · then the level of the rule, or the default.
 *
 * Invariants: a rule that allows and does not name `start_agent` or `tool` never lets one pass, and a default that allows asks about them; a
 * grant covers only what it was given for: one for messages never a launch or a tool. Where a message is too long to hold a pattern against
 * it in bounded time, the stricter reading holds.
 */
import type { RE2JS } from 're2js';
import { agentOf, formatAddress, parseAddress, type Address } from '../../protocol/address.ts';
import type { Grant, PolicyLevel, PolicyVerdict, GrantScope } from '../../protocol/model.ts';
import { globMatchesAddress, type Glob } from './policy-glob.ts';

/** What a rule's `type` may name. A rule for `chat` also covers the replies of a conversation. */
export const POLICY_TYPES = ['send', 'ask', 'chat', 'reply', 'start_agent', 'tool'] as const;
export type PolicyType = (typeof POLICY_TYPES)[number];

export interface PolicyRule {
  /** From 1, as a person counts. */
  readonly index: number;
  readonly label: string;
  readonly from: Glob;
  readonly to: Glob;
  /** Absent: every type. */
  readonly types: readonly PolicyType[] | undefined;
  readonly project: Glob | undefined;
  readonly tool: Glob | undefined;
  readonly messagePattern: MessagePattern | undefined;
  readonly approval: PolicyLevel;
  readonly line: number;
}

export interface MessagePattern {
  readonly source: string;
  readonly compiled: RE2JS;
  /** Instructions of the compiled pattern: its cost for each character. */
  readonly size: number;
}

export interface RuleSet {
  /** The file's name for people ("policies.yml"); absent: the built-in defaults. */
  readonly file: string | undefined;
  readonly rules: readonly PolicyRule[];
  readonly default: PolicyLevel;
  /** What a person writes to an agent is never held for a person. */
  readonly humanCanBypass: boolean;
}

export interface PolicyQuestion {
  readonly from: Address;
  readonly to: Address;
  readonly type: PolicyType;
  readonly message: string;
  /** What a grant of the scope `mission` is compared with: the thread of a message, the mission of who wants to launch or to use a tool. */
  readonly threadId?: string | undefined;
  /** The project that it happens in, where that is not the recipient's (launches, tools). */
  readonly project?: string | undefined;
  readonly tool?: string | undefined;
  /**
   * For a reply: the id of the message that it answers, if that one came from the recipient of this one to its sender, was let through, and
   * was not a reply itself. Whoever lets a question through lets its answer through.
   */
  readonly answers?: string | undefined;
}

/** The defaults where there is no policy file: people write freely, agents write to people freely, the rest asks once. */
export const BUILT_IN_RULES: RuleSet = { file: undefined, rules: [], default: 'once', humanCanBypass: true };

/** The kind of grant that a question needs. */
const COVERED_BY: Readonly<Record<PolicyType, Grant['covers']>> = {
  send: 'message',
  chat: 'message',
  reply: 'message',
  ask: 'ask',
  start_agent: 'launch',
  tool: 'tool',
};
const COVERS_WORDS: Readonly<Record<Grant['covers'], string>> = {
  message: 'messages',
  ask: 'questions',
  launch: 'launches',
  tool: 'tools',
  join: 'joins',
  question: 'questions of agents to their person',
};

/** How the default is named in traces and cards. */
const LEVEL_WORDS: Readonly<Record<PolicyLevel, string>> = {
  deny: 'deny',
  never: 'allow',
  once: 'ask once',
  mission: 'ask once per mission',
  session: 'ask once per session',
  always_allow: 'allow',
};

/** Instructions × characters that one evaluation may spend on patterns: some 0.2 s at the worst. */
const PATTERN_BUDGET = 6_000_000;
const STEPS_MAX = 500;

/** Says what happens to `question`. `grants`: those that may concern it; revoked and expired ones are passed over. */
export function evaluate(
  rules: RuleSet,
  grants: readonly Grant[],
  question: PolicyQuestion,
  nowMs: number,
): PolicyVerdict {
  const steps: string[] = [];
  const step = (text: string): void => {
    if (steps.length < STEPS_MAX) steps.push(text);
  };
  const rule = firstMatch(rules, question, step);
  const level = rule?.approval ?? defaultFor(rules, question.type);
  const named = rule === undefined ? `default rule: ${LEVEL_WORDS[level]}` : ruleName(rule, rules.file);
  if (rule === undefined) step(`no rule matches; the default is ${level}`);
  const verdict = (outcome: PolicyVerdict['outcome'], by: string): PolicyVerdict => ({
    outcome,
    level,
    rule: by,
    steps,
  });
  if (rule?.approval === 'deny') return verdict('deny', named);

  if (level !== 'deny') {
    const grant = coveringGrant(grants, question, nowMs, step);
    if (grant !== undefined) return verdict('allow', `grant ${grant.id}`);
  }
  if (level === 'never' || level === 'always_allow') return verdict('allow', named);
  const builtIn = builtInReason(rules, rule, question);
  if (builtIn !== undefined) {
    step(builtIn);
    return verdict('allow', builtIn);
  }
  return verdict(level === 'deny' ? 'deny' : 'ask', named);
}

/** A default that lets messages pass was not written with launches and tools in mind. */
function defaultFor(rules: RuleSet, type: PolicyType): PolicyLevel {
  const lets = rules.default === 'never' || rules.default === 'always_allow';
  return lets && isRisky(type) ? 'once' : rules.default;
}

function isRisky(type: PolicyType): boolean {
  return type === 'start_agent' || type === 'tool';
}

/** The scopes that a card offers for a level; the first one is the one that the rule suggests. */
export function scopesOf(level: PolicyLevel): GrantScope[] {
  if (level === 'mission') return ['mission', 'once', 'session', 'always'];
  if (level === 'session') return ['session', 'once', 'mission', 'always'];
  return ['once', 'mission', 'session', 'always'];
}

/** How a rule is named in traces and cards: `rule 3 "label" (policies.yml:12)`. */
export function ruleName(rule: PolicyRule, file: string | undefined): string {
  const label = rule.label === '' ? '' : ` "${rule.label}"`;
  return `rule ${rule.index}${label} (${file ?? 'built-in'}:${rule.line})`;
}

function firstMatch(rules: RuleSet, question: PolicyQuestion, step: (text: string) => void): PolicyRule | undefined {
  const budget = { left: PATTERN_BUDGET };
  for (const rule of inOrder(rules.rules, question.type)) {
    const why = mismatch(rule, question, budget);
    if (why === undefined) {
      step(`${ruleName(rule, rules.file)} matches: ${rule.approval}`);
      return rule;
    }
    step(`${ruleName(rule, rules.file)} does not match: ${why}`);
  }
  return undefined;
}

/** One input can fit a rule that lets it pass and one that forbids it ("npm test; rm -rf ."): what a tool may never do does not depend on the order of the file. */
function inOrder(rules: readonly PolicyRule[], type: PolicyType): readonly PolicyRule[] {
  if (type !== 'tool') return rules;
  const denies = rules.filter(({ approval }) => approval === 'deny');
  return denies.length === 0 ? rules : [...denies, ...rules.filter(({ approval }) => approval !== 'deny')];
}

/** Why a rule does not match, or undefined if it does. Cheap checks first, the pattern last. */
function mismatch(rule: PolicyRule, question: PolicyQuestion, budget: { left: number }): string | undefined {
  const wrongType = typeMismatch(rule, question.type);
  if (wrongType !== undefined) return wrongType;
  if (!globMatchesAddress(rule.from, question.from)) return `from is not ${rule.from.source}`;
  if (!globMatchesAddress(rule.to, question.to)) return `to is not ${rule.to.source}`;
  if (rule.project !== undefined) {
    const project = question.project ?? (question.to.kind === 'agent' ? question.to.project : undefined);
    if (project === undefined || !rule.project.matches(project)) return `project is not ${rule.project.source}`;
  }
  if (rule.tool !== undefined && (question.tool === undefined || !rule.tool.matches(question.tool)))
    return `tool is not ${rule.tool.source}`;
  return rule.messagePattern === undefined
    ? undefined
    : patternMismatch(rule.messagePattern, allows(rule), question, budget);
}

function typeMismatch(rule: PolicyRule, type: PolicyType): string | undefined {
  if (rule.types === undefined) {
    // For a tool, from and to are both the agent that asks: a rule about who may write to whom says nothing of it.
    if (type === 'tool')
      return rule.tool === undefined ? 'it is about messages; one about tools names them' : undefined;
    return isRisky(type) && allows(rule) ? `it lets messages pass; ${type} must be named to be let pass` : undefined;
  }
  const covered = rule.types.includes(type) || (type === 'reply' && rule.types.includes('chat'));
  return covered ? undefined : `type is not ${rule.types.join(' or ')}`;
}

function patternMismatch(
  pattern: MessagePattern,
  allowing: boolean,
  { message, type }: PolicyQuestion,
  budget: { left: number },
): string | undefined {
  const what = type === 'tool' ? 'the input' : 'the message';
  const cost = pattern.size * message.length;
  if (cost > budget.left) {
    // A long text must not slip past a rule that stops it, nor be let pass unread.
    return allowing ? `${what} is too long for its pattern, so it does not let it pass` : undefined;
  }
  budget.left -= cost;
  return pattern.compiled.matcher(message).find() ? undefined : `${what} does not have its pattern /${pattern.source}/`;
}

function allows(rule: PolicyRule): boolean {
  return rule.approval === 'never' || rule.approval === 'always_allow';
}

function coveringGrant(
  grants: readonly Grant[],
  question: PolicyQuestion,
  nowMs: number,
  step: (text: string) => void,
): Grant | undefined {
  for (const grant of grants) {
    const why = grantMismatch(grant, question, nowMs);
    if (why === undefined) {
      step(`grant ${grant.id} (${grant.scope}, by ${grant.by}) covers it`);
      return grant;
    }
    step(`grant ${grant.id} does not cover it: ${why}`);
  }
  return undefined;
}

function grantMismatch(grant: Grant, question: PolicyQuestion, nowMs: number): string | undefined {
  if (grant.covers !== COVERED_BY[question.type]) return `it is for ${COVERS_WORDS[grant.covers]}`;
  if (question.type === 'tool' && (grant.tool === undefined || grant.tool !== question.tool)) {
    return `it is for the tool ${grant.tool ?? 'unknown'}`;
  }
  if (grant.revokedAt !== undefined) return 'it was revoked';
  if (grant.expiresAt !== undefined && Date.parse(grant.expiresAt) <= nowMs) return 'it has expired';
  if (!sameAgent(grant.from, question.from)) return `it is from ${grant.from}`;
  if (!sameAgent(grant.to, question.to)) return `it is to ${grant.to}`;
  switch (grant.scope) {
    case 'always':
      return undefined;
    case 'mission':
      return grant.boundTo !== undefined && grant.boundTo === question.threadId
        ? undefined
        : isRisky(question.type)
          ? 'it is for another mission'
          : 'it is for another conversation';
    case 'session': {
      const session = question.from.kind === 'agent' ? question.from.session : undefined;
      return grant.boundTo !== undefined && grant.boundTo === session ? undefined : 'it is for another session';
    }
    case 'once':
      return 'it was for one message';
  }
}

/** A grant names agents; one that names a session too is for that session only. */
function sameAgent(granted: string, asked: Address): boolean {
  const grant = parseAddress(granted);
  if (grant.kind === 'human' || asked.kind === 'human') return formatAddress(grant) === formatAddress(asked);
  const other = grant.session === undefined ? agentOf(asked) : asked;
  return formatAddress(grant) === formatAddress(other);
}

/** Why it passes although the level asks: nobody is asked about what a person wrote, will read, or has let through already. */
function builtInReason(rules: RuleSet, rule: PolicyRule | undefined, question: PolicyQuestion): string | undefined {
  if (question.type === 'start_agent' || question.type === 'tool') return undefined;
  if (question.from.kind === 'human' && rules.humanCanBypass) return 'built-in: a person wrote it';
  if (question.to.kind === 'human') return 'built-in: it goes to a person';
  const namesReplies = rule?.types?.includes('reply') ?? false;
  if (question.type === 'reply' && question.answers !== undefined && !namesReplies)
    return `built-in: it answers ${question.answers}, which was let through`;
  return undefined;
}
