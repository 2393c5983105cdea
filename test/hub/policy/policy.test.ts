import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePolicyFile, patternOf } from '../../../src/hub/approvals/policy-file.ts';
import { BUILT_IN_RULES, evaluate, POLICY_TYPES, scopesOf } from '../../../src/hub/approvals/policy.ts';
import type { PolicyQuestion, PolicyType, RuleSet } from '../../../src/hub/approvals/policy.ts';
import { parseAddress } from '../../../src/protocol/address.ts';
import { newId } from '../../../src/protocol/ids.ts';
import type { Grant, PolicyVerdict } from '../../../src/protocol/model.ts';

const NOW = Date.parse('2026-01-01T00:00:00.000Z');

function rulesOf(yaml: string): RuleSet {
  const parsed = parsePolicyFile(yaml, 'policies.yml');
  if (!parsed.ok) throw new Error(parsed.faults.map((fault) => fault.text).join('\n'));
  return parsed.rules;
}

function question(
  from: string,
  to: string,
  type: PolicyType = 'send',
  more: Partial<PolicyQuestion> = {},
): PolicyQuestion {
  return { from: parseAddress(from), to: parseAddress(to), type, message: 'hello', ...more };
}

function grant(more: Partial<Grant> = {}): Grant {
  return {
    id: newId('grant'),
    covers: 'message',
    scope: 'always',
    from: 'laptop/web',
    to: 'server/api',
    by: 'ada',
    createdAt: '2025-12-31T00:00:00.000Z',
    uses: 0,
    ...more,
  };
}

function ask(rules: RuleSet, asked: PolicyQuestion, grants: Grant[] = []): PolicyVerdict {
  return evaluate(rules, grants, asked, NOW);
}

describe('without a policy file', () => {
  it.each([
    ['human:ada', 'laptop/web', 'allow'],
    ['laptop/web', 'human', 'allow'],
    ['laptop/web', 'human:ada', 'allow'],
    ['laptop/web', 'server/api', 'ask'],
    ['laptop/web', 'laptop/web', 'ask'],
  ])('%s to %s: %s', (from, to, outcome) => {
    expect(ask(BUILT_IN_RULES, question(from, to)).outcome).toBe(outcome);
  });

  it('lets the answer to what was let through go back, but not a reply to a reply', () => {
    const answered = newId('message');
    expect(ask(BUILT_IN_RULES, question('server/api', 'laptop/web', 'reply', { answers: answered }))).toMatchObject({
      outcome: 'allow',
      rule: `built-in: it answers ${answered}, which was let through`,
    });
    expect(ask(BUILT_IN_RULES, question('server/api', 'laptop/web', 'reply')).outcome).toBe('ask');
  });

  it('seed: S1 - the name "human" opens no way to start an agent', () => {
    expect(ask(BUILT_IN_RULES, question('human:ada', 'laptop/web', 'start_agent')).outcome).toBe('ask');
  });
});

describe('rules', () => {
  const rules = rulesOf(`
defaults: { require_approval: mission }
rules:
  - { from: "laptop/*", to: "server/secret", approval: deny, label: keep out }
  - { from: "laptop/*", to: "server/*", type: ask, approval: never }
  - { from: "laptop/*", to: "server/*", type: ask, approval: once }
  - { type: send, message_pattern: "\\\\bping\\\\b", approval: always_allow }
  - { type: chat, to: "server/**", approval: session }
  - { to: "laptop/**", type: [start_agent], approval: never }
  - { type: tool, tool: "Bash*", project: "web", approval: deny }
`);

  it.each([
    ['laptop/web', 'server/secret', 'ask', 'deny', 'rule 1 "keep out" (policies.yml:4)'],
    ['laptop/web', 'server/api', 'ask', 'allow', 'rule 2 (policies.yml:5)'],
    ['laptop/team/web', 'server/api', 'ask', 'ask', 'default rule: ask once per mission'],
    ['laptop/web', 'server/api', 'chat', 'ask', 'rule 5 (policies.yml:8)'],
    ['laptop/web', 'server/api', 'reply', 'ask', 'rule 5 (policies.yml:8)'],
    ['vps/x', 'laptop/web', 'start_agent', 'allow', 'rule 6 (policies.yml:9)'],
    ['vps/x', 'server/web', 'start_agent', 'ask', 'default rule: ask once per mission'],
  ] as const)('%s to %s, %s: %s by %s', (from, to, type, outcome, rule) => {
    expect(ask(rules, question(from, to, type))).toMatchObject({ outcome, rule });
  });

  it('finds a pattern as a word, whatever its case, and says why another text does not match', () => {
    expect(ask(rules, question('a/b', 'c/d', 'send', { message: 'PING?' })).outcome).toBe('allow');
    const other = ask(rules, question('a/b', 'c/d', 'send', { message: 'shopping' }));
    expect(other.outcome).toBe('ask');
    expect(other.steps.join('\n')).toContain(
      'rule 4 (policies.yml:7) does not match: the message does not have its pattern',
    );
  });

  it('holds tool rules against the tool and the project', () => {
    const tool = (name: string, project: string) =>
      ask(rules, question(`laptop/${project}`, 'human', 'tool', { tool: name, project })).outcome;
    expect(tool('Bash(rm)', 'web')).toBe('deny');
    expect(tool('Bash(rm)', 'api')).toBe('ask');
    expect(tool('Read', 'web')).toBe('ask');
  });

  it('never holds what a person wrote, unless told to, and never what a person will read', () => {
    const strict = 'rules: [{ from: "**", to: "**", approval: once }]';
    expect(ask(rulesOf(strict), question('human:ada', 'a/b')).outcome).toBe('allow');
    expect(ask(rulesOf(strict), question('a/b', 'human')).outcome).toBe('allow');
    const noBypass = rulesOf(`defaults: { human_can_bypass: false }\n${strict}`);
    expect(ask(noBypass, question('human:ada', 'a/b')).outcome).toBe('ask');
    const denied = rulesOf('rules: [{ from: human, to: "a/*", approval: deny }, { to: human, approval: deny }]');
    expect(ask(denied, question('human:ada', 'a/b')).outcome).toBe('deny');
    expect(ask(denied, question('a/b', 'human:ada')).outcome).toBe('deny');
  });

  it('lets a rule that names replies decide about answers', () => {
    const replies = rulesOf('rules: [{ type: reply, approval: once }]');
    const answer = question('server/api', 'laptop/web', 'reply', { answers: newId('message') });
    expect(ask(replies, answer)).toMatchObject({ outcome: 'ask', rule: 'rule 1 (policies.yml:1)' });
  });

  it('what a tool may never do does not depend on the order of the rules', () => {
    const tools = rulesOf(`
rules:
  - { type: tool, tool: Bash, message_pattern: '^npm test', approval: never, label: tests }
  - { type: tool, tool: Bash, message_pattern: 'rm -rf', approval: deny, label: never that }
`);
    const bash = (message: string): PolicyVerdict =>
      ask(tools, question('laptop/web', 'laptop/web', 'tool', { tool: 'Bash', message }));
    expect(bash('npm test; rm -rf .')).toMatchObject({ outcome: 'deny', rule: 'rule 2 "never that" (policies.yml:4)' });
    expect(bash('npm test')).toMatchObject({ outcome: 'allow', rule: 'rule 1 "tests" (policies.yml:3)' });
    expect(bash('npm test').steps).toEqual([
      'rule 2 "never that" (policies.yml:4) does not match: the input does not have its pattern /rm -rf/',
      'rule 1 "tests" (policies.yml:3) matches: never',
    ]);
    expect(bash('npm publish').outcome).toBe('ask');
  });

  it('seed: S12 - a rule that lets messages pass does not start agents or use tools', () => {
    const open = rulesOf('rules: [{ from: "**", to: "**", approval: always_allow }]');
    const closed = rulesOf('rules: [{ from: "**", to: "**", approval: deny }]');
    for (const type of ['start_agent', 'tool'] as const) {
      expect(ask(open, question('a/b', 'c/d', type)).outcome).toBe('ask');
    }
    expect(ask(closed, question('a/b', 'c/d', 'start_agent')).outcome).toBe('deny');
  });

  it('a rule about who may write to whom says nothing of tools, where both are the agent that asks', () => {
    const sealed = rulesOf('rules: [{ to: "server/prod", approval: deny }]');
    const bash = question('server/prod', 'server/prod', 'tool', { tool: 'Bash' });
    expect(ask(sealed, question('laptop/a', 'server/prod', 'send')).outcome).toBe('deny');
    expect(ask(sealed, bash)).toMatchObject({ outcome: 'ask', rule: 'default rule: ask once' });
    for (const rule of ['type: tool', 'tool: Bash']) {
      expect(ask(rulesOf(`rules: [{ to: "server/prod", ${rule}, approval: deny }]`), bash).outcome).toBe('deny');
      expect(ask(rulesOf(`rules: [{ to: "server/prod", ${rule}, approval: never }]`), bash).outcome).toBe('allow');
    }
  });

  it('takes the stricter reading of a text that is too long for its pattern', () => {
    const pattern = '(a|b|c|d|e|f)*x'.repeat(12);
    const long = 'a'.repeat(250_000);
    const at = (approval: string) =>
      ask(
        rulesOf(`rules: [{ message_pattern: "${pattern}", approval: ${approval} }]`),
        question('a/b', 'c/d', 'send', { message: long }),
      );
    expect(at('deny').outcome).toBe('deny');
    expect(at('never').outcome).toBe('ask');
  });

  it('decides by the first match, for any rules and any question', () => {
    const machines = fc.constantFrom('a', 'b', '*', '**');
    const rule = fc.record({
      from: fc.tuple(machines, machines).map(([m, p]) => `${m}/${p}`),
      to: fc.tuple(machines, machines).map(([m, p]) => `${m}/${p}`),
      type: fc.constantFrom('*', ...POLICY_TYPES),
      approval: fc.constantFrom('deny', 'never', 'once', 'mission', 'session', 'always_allow'),
    });
    const agents = fc.constantFrom('a/a', 'a/b', 'b/a', 'b/b');
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 6 }),
        agents,
        agents,
        fc.constantFrom(...POLICY_TYPES),
        (list, from, to, type) => {
          const all = rulesOf(JSON.stringify({ rules: list }));
          const whole = ask(all, question(from, to, type));
          const first = list.findIndex((_, index) => {
            const one = rulesOf(JSON.stringify({ rules: list.slice(index, index + 1) }));
            return ask(one, question(from, to, type)).steps[0]?.includes('matches:') === true;
          });
          if (first < 0) expect(whole.rule).toBe('default rule: ask once');
          else expect(whole).toMatchObject({ level: list[first]?.approval });
          expect(whole.outcome === 'deny').toBe(first >= 0 && list[first]?.approval === 'deny');
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('grants', () => {
  it.each<[string, Partial<Grant>, Partial<PolicyQuestion>, 'allow' | 'ask']>([
    ['always', {}, {}, 'allow'],
    ['a question by a grant for messages', {}, { type: 'ask' }, 'ask'],
    ['a question by a grant for questions', { covers: 'ask' }, { type: 'ask' }, 'allow'],
    ['a launch', {}, { type: 'start_agent' }, 'ask'],
    ['revoked', { revokedAt: '2025-12-31T23:00:00.000Z' }, {}, 'ask'],
    ['expired', { expiresAt: '2026-01-01T00:00:00.000Z' }, {}, 'ask'],
    ['not yet expired', { expiresAt: '2026-01-01T00:00:00.001Z' }, {}, 'allow'],
    ['this conversation', { scope: 'mission', boundTo: 'thr_1' }, { threadId: 'thr_1' }, 'allow'],
    ['another conversation', { scope: 'mission', boundTo: 'thr_1' }, { threadId: 'thr_2' }, 'ask'],
    ['a conversation that is bound to nothing', { scope: 'mission' }, {}, 'ask'],
    ['this session', { scope: 'session', boundTo: 'sess1' }, { from: parseAddress('laptop/web#sess1') }, 'allow'],
    ['another session', { scope: 'session', boundTo: 'sess1' }, { from: parseAddress('laptop/web#sess2') }, 'ask'],
    ['another agent', { from: 'laptop/other' }, {}, 'ask'],
    ['another recipient', { to: 'server/other' }, {}, 'ask'],
    ['once', { scope: 'once' }, {}, 'ask'],
  ])('%s', (_name, given, asked, outcome) => {
    const rules = rulesOf('defaults: { require_approval: once }');
    expect(ask(rules, { ...question('laptop/web', 'server/api'), ...asked }, [grant(given)]).outcome).toBe(outcome);
  });

  it('a rule that denies beats every grant, and a grant beats a rule that asks', () => {
    const levels = fc.constantFrom('deny', 'once', 'mission', 'session');
    fc.assert(
      fc.property(fc.array(levels, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 5 }), (list, count) => {
        const rules = rulesOf(JSON.stringify({ rules: list.map((approval) => ({ approval })) }));
        const verdict = ask(
          rules,
          question('laptop/web', 'server/api'),
          Array.from({ length: count }, () => grant()),
        );
        expect(verdict.outcome).toBe(list[0] === 'deny' ? 'deny' : 'allow');
      }),
    );
  });

  it('a policy that denies by default takes no grant either', () => {
    const rules = rulesOf('defaults: { require_approval: deny }');
    expect(ask(rules, question('laptop/web', 'server/api'), [grant()]).outcome).toBe('deny');
  });

  it('says of every grant why it does not cover', () => {
    const verdict = ask(BUILT_IN_RULES, question('laptop/web', 'server/api'), [grant({ to: 'server/x' })]);
    expect(verdict.steps.join('\n')).toMatch(/grant grn_\w+ does not cover it: it is to server\/x/);
  });

  it('offers the scope of the level first', () => {
    expect(scopesOf('mission')[0]).toBe('mission');
    expect(scopesOf('session')[0]).toBe('session');
    expect(scopesOf('once')[0]).toBe('once');
  });
});

describe('the policy file', () => {
  it.each([
    ['rules: [{ approval: sometimes }]', 1, /rule 1, approval: "sometimes" is not valid: allowed: deny, never, once/],
    ['rules:\n  - label: mine\n    from: "a/*"\n', 2, /rule 1 "mine", approval: is missing; allowed: deny/],
    ['rules:\n  - approval: once\n  - from: "a b"\n    approval: once', 3, /rule 2, from: .*white space/],
    ['rules: [{ type: shout, approval: once }]', 1, /rule 1, type: .*allowed: send, ask, chat/],
    ['rules: [{ message_pattern: "(?=a)", approval: once }]', 1, /look-ahead/],
    ['rules: [{ message_pattern: "(a", approval: once }]', 1, /not a regular expression/],
    ['rules: [{ message_pattern: "(.{0,50}){0,50}", approval: once }]', 1, /not a regular expression|too complex/],
    ['defaults: { require_approval: yes please }', 1, /defaults.require_approval: .*allowed/],
    ['defaults: { human_can_bypass: 3 }', 1, /true or false/],
    ['rules: 3', 1, /a list of rules/],
    ['rules: [once]', 1, /a rule is a set of keys/],
    ['rules: [\n', 2, /not valid YAML/],
    ['just text', 1, /keys and values/],
  ])('refuses %j in words, with line %i', (text, line, words) => {
    const parsed = parsePolicyFile(text, 'policies.yml');
    expect(parsed.ok).toBe(false);
    if (parsed.ok) return;
    expect(parsed.faults[0]?.text).toMatch(words);
    expect(parsed.faults[0]?.line).toBe(line);
  });

  it('seed: an empty list of rules, or none, is a policy', () => {
    for (const text of ['', 'rules:', 'rules: []', 'defaults:', '# nothing']) {
      expect(parsePolicyFile(text, 'policies.yml')).toMatchObject({ ok: true, rules: { rules: [], default: 'once' } });
    }
  });

  it('warns about keys that it does not know, with the nearest one, and about rules that never decide', () => {
    const parsed = parsePolicyFile(
      'rule: 1\nrules:\n  - { aproval: once, approval: once }\n  - { from: "a/*", approval: deny }',
      'p',
    );
    expect(parsed).toMatchObject({ ok: true });
    if (!parsed.ok) return;
    expect(parsed.warnings).toEqual([
      'line 1: unknown key "rule", ignored; did you mean "rules"?',
      'line 3: unknown key "aproval" in rule 1, ignored; did you mean "approval"?',
      'line 3: rule 1 matches everything, so the rules after it never decide about a message',
    ]);
  });

  it('the example is valid, with and without its comments', () => {
    const text = readFileSync(new URL('../../../config/policies.example.yml', import.meta.url), 'utf8');
    const [before = '', rules = ''] = text.split('\nrules:\n');
    const live = `${before}\nrules:\n${rules.replace(/^  # /gm, '  ')}`;
    expect(parsePolicyFile(text, 'p')).toMatchObject({ ok: true, warnings: [] });
    const parsed = parsePolicyFile(live, 'p');
    expect(parsed).toMatchObject({ ok: true, warnings: [] });
    if (parsed.ok) expect(parsed.rules.rules).toHaveLength(5);
  });

  it('never throws, whatever the file holds', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.jsonValue().map((value) => JSON.stringify({ rules: value, defaults: value })),
        ),
        (text) => {
          const parsed = parsePolicyFile(text, 'p');
          if (!parsed.ok) expect(parsed.faults.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('seed: a pattern that hangs other engines is answered', () => {
    const pattern = patternOf('^(a+)+$');
    if (typeof pattern === 'string') throw new Error(pattern);
    expect(pattern.compiled.matcher(`${'a'.repeat(50_000)}!`).find()).toBe(false);
  });
});

describe('verdicts', () => {
  it('every verdict names who decided and keeps to the bound of steps', () => {
    const many = rulesOf(
      JSON.stringify({ rules: Array.from({ length: 500 }, () => ({ from: 'x/y', approval: 'once' })) }),
    );
    const verdict = ask(
      many,
      question('laptop/web', 'server/api'),
      Array.from({ length: 50 }, () => grant({ to: 'q/q' })),
    );
    expect(verdict.steps).toHaveLength(500);
    expect(verdict.rule).toBe('default rule: ask once');
  });
});
