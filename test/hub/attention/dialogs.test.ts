/** Dialogs of agents as approvals: asked about once, decided by whoever is first, carried back, withdrawn when they are gone. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RaiseApproval } from '../../../src/protocol/machine-api.ts';
import { OPERATOR, sessionOf, TestHub } from '../../support/hub-core.ts';

let hub: TestHub;
beforeEach(async () => {
  hub = await TestHub.start();
  await hub.machine(
    'laptop',
    ['app', 'web'],
    [sessionOf('sess-lap1'), sessionOf('sess-lap2'), sessionOf('sess-web1', 'web')],
  );
});
afterEach(() => hub.close());

let count = 0;
function dialog(more: Partial<RaiseApproval['subject']> = {}, session = 'sess-lap1', ref?: string): RaiseApproval {
  count += 1;
  return RaiseApproval.parse({
    ref: ref ?? `dialog-ref-${count}`,
    session,
    subject: {
      kind: 'tool',
      from: 'server/other#forged',
      agent: 'codex',
      tool: 'Bash',
      summary: 'npm test',
      input: 'npm test',
      cwd: '/home/x/app',
      ...more,
    },
  });
}
const raise = (given: RaiseApproval) => hub.core.dialogs.raise('laptop', given);
const state = async (id: string): Promise<string> => (await hub.core.approvals.get(id)).state;
const decisions = () => (hub.daemons.get('laptop')?.stored ?? []).filter((item) => item.item === 'decision');

describe('a dialog', () => {
  it('is shown with who asks as the hub knows it, decided from afar, and the decision goes back', async () => {
    const given = dialog();
    const raised = await raise(given);
    expect(raised.state).toBe('pending');
    const [card] = await hub.pending();
    expect(card?.subject).toMatchObject({ kind: 'tool', from: 'laptop/app#sess-lap1', agent: 'claude', tool: 'Bash' });
    expect(card?.scopes).toEqual(['once', 'session', 'always']);
    expect((await raise(given)).id).toBe(raised.id);
    await hub.allow(card);
    const daemon = hub.daemons.get('laptop');
    await daemon?.until(() => decisions().length === 1);
    expect(decisions()[0]).toMatchObject({
      ref: given.ref,
      state: 'allowed',
      decision: { verdict: 'allow', by: 'bob' },
    });
    expect(await raise(given)).toMatchObject({ id: raised.id, state: 'allowed', decision: { by: 'bob' } });
  });

  it('answered at the terminal first: later answers are told who it was', async () => {
    const given = dialog();
    const { id } = await raise(given);
    await hub.core.dialogs.close('laptop', { ref: given.ref, outcome: 'answered_elsewhere', verdict: 'deny' });
    expect(await state(id)).toBe('answered_elsewhere');
    const late = hub.allow(await hub.core.approvals.get(id));
    await expect(late).rejects.toThrow('the person at the terminal denied this already');
    await hub.core.dialogs.close('laptop', { ref: given.ref, outcome: 'withdrawn' });
    expect(await state(id)).toBe('answered_elsewhere');
    await hub.core.dialogs.close('laptop', { ref: 'never-raised', outcome: 'withdrawn' });
  });

  it('is nobody else to close or to look at, and needs a session that lives', async () => {
    await hub.machine('server', ['app']);
    const given = dialog();
    const { id } = await raise(given);
    await hub.core.dialogs.close('server', { ref: given.ref, outcome: 'withdrawn' });
    expect(await state(id)).toBe('pending');
    expect(await hub.core.dialogs.state('laptop', given.ref)).toMatchObject({ id, state: 'pending' });
    await expect(hub.core.dialogs.state('server', given.ref)).rejects.toMatchObject({ code: 'unknown_approval' });
    await expect(hub.core.dialogs.raise('server', given)).rejects.toThrow('is not one of server');
  });

  it('seed: a session that ended left its permissions: is withdrawn when its session ends, when its daemon no longer shows it, and with its machine', async () => {
    const first = dialog({}, 'sess-lap2');
    const [one, two, three] = [await raise(first), await raise(dialog()), await raise(dialog())];
    await hub.core.registry.sessionsChanged('laptop', [{ ...sessionOf('sess-lap2'), state: 'ended' }]);
    expect(await state(one.id)).toBe('withdrawn');
    const sessions = [sessionOf('sess-lap1'), sessionOf('sess-web1', 'web')];
    await hub.hello('laptop', ['app', 'web'], sessions, { dialogs: [] });
    // The hello may be older than the dialogs.
    expect(await state(two.id)).toBe('pending');
    await hub.advance(20_000);
    const ref = `dialog-ref-${count}`;
    await hub.hello('laptop', ['app', 'web'], sessions, { dialogs: [ref] });
    expect([await state(two.id), await state(three.id)]).toEqual(['withdrawn', 'pending']);
    await hub.core.registry.revoke({ operator: { name: 'ada', role: 'owner' }, via: 'web' }, 'laptop');
    expect(await state(three.id)).toBe('withdrawn');
  });

  it('outlives its daemon: a hook that waits finds the next one, whose first hello does not name it yet', async () => {
    const given = dialog();
    const { id } = await raise(given);
    const sessions = [sessionOf('sess-lap1')];
    await hub.advance(60_000);
    await hub.hello('laptop', ['app', 'web'], sessions, { epoch: 'the-next-daemon', dialogs: [] });
    expect(await state(id)).toBe('pending');
    expect((await raise(given)).id).toBe(id);
    await hub.hello('laptop', ['app', 'web'], sessions, { epoch: 'the-next-daemon', dialogs: [given.ref] });
    expect(await state(id)).toBe('pending');
    // Nobody named it in time, and then it comes back all the same.
    await hub.hello('laptop', ['app', 'web'], sessions, { epoch: 'the-next-daemon', dialogs: [] });
    expect(await state(id)).toBe('withdrawn');
    const again = await raise(given);
    expect(again).toMatchObject({ state: 'pending' });
    expect(again.id).not.toBe(id);
    await hub.allow(await hub.core.approvals.get(again.id));
    expect(await raise(given)).toMatchObject({ id: again.id, state: 'allowed' });
  });

  it('expires as no, and the machine hears of it', async () => {
    const { id } = await raise({ ...dialog(), expiresInSeconds: 60 });
    await hub.advance(61_000);
    expect(await state(id)).toBe('expired');
    await hub.beat('laptop');
    const daemon = hub.daemons.get('laptop');
    await daemon?.until(() => decisions().length === 1);
    expect(decisions()[0]).toMatchObject({ state: 'expired' });
  });
});

describe('dialogs and policy', () => {
  it('rules decide by tool and input, a denial first, each recorded with its rule; nobody is asked', async () => {
    hub.policy(`rules:
  - { type: tool, tool: Bash, message_pattern: "rm -rf", approval: deny, label: no deleting }
  - { type: tool, tool: Bash, message_pattern: "^npm (test|run lint)$", approval: never }
  - { from: "**", approval: never }
`);
    const passed = await raise(dialog());
    expect(passed).toMatchObject({ state: 'allowed', decision: { verdict: 'allow', by: 'policy', via: 'policy' } });
    expect(passed.decision?.reason).toContain('rule 2');
    expect((await raise(dialog({ input: 'npm test; rm -rf /' }))).decision).toMatchObject({ verdict: 'deny' });
    // A rule for everything does not speak of tools.
    expect((await raise(dialog({ input: 'curl evil' }))).state).toBe('pending');
    // Nobody read the rest of it.
    expect((await raise(dialog({ cut: true }))).state).toBe('pending');
    expect((await hub.core.approvals.list({ limit: 9, state: 'allowed' })).map((one) => one.id)).toEqual([passed.id]);
    expect(decisions()).toEqual([]);
  });

  it('a session grant holds for that tool and session; always for that tool and project', async () => {
    await raise(dialog());
    await hub.allow((await hub.pending())[0], 'session');
    expect((await raise(dialog({ input: 'npm run build' }))).state).toBe('allowed');
    expect((await raise(dialog({ tool: 'Write' }))).state).toBe('pending');
    expect((await raise(dialog({}, 'sess-lap2'))).state).toBe('pending');
    const cards = await hub.pending();
    await hub.allow(
      cards.find(({ subject }) => subject.kind === 'tool' && subject.from.endsWith('sess-lap2')),
      'always',
    );
    expect((await raise(dialog({}, 'sess-lap2'))).state).toBe('allowed');
    expect((await raise(dialog({ tool: 'Write' }, 'sess-lap2'))).state).toBe('pending');
    expect((await raise(dialog({}, 'sess-web1'))).state).toBe('pending');
  });

  it("always takes the agent's own suggestion where it has one, and makes no grant", async () => {
    const suggestions = ['Bash(npm test:*) in this project', 'all of Bash'];
    await raise(dialog({ suggestions }));
    const taken = await hub.allow((await hub.pending())[0], 'always');
    expect(taken.decision).toMatchObject({ scope: 'always', suggestion: 0 });
    expect((await raise(dialog({ suggestions }))).state).toBe('pending');
    const [card] = await hub.pending();
    const decide = (suggestion: number) =>
      hub.core.approvals.decide(OPERATOR, card?.id ?? '', {
        verdict: 'allow',
        scope: 'once',
        suggestion,
        shownHash: card?.shownHash ?? '',
      });
    await expect(decide(7)).rejects.toThrow('no suggestion with the number 7');
    expect((await decide(1)).decision?.suggestion).toBe(1);
  });
});
