/** The tools that turn to people, against a scripted daemon on a real socket. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { IntercomError } from '../../src/protocol/errors.ts';
import { newId } from '../../src/protocol/ids.ts';
import { LocalQuestion, type LocalQuestionState } from '../../src/protocol/local-api.ts';
import type { Decision } from '../../src/protocol/model.ts';
import { bundle } from '../support/bundle.ts';
import { startMcp, type McpHandle } from '../support/mcp-process.ts';
import { ScriptedDaemon } from '../support/scripted-daemon.ts';

let daemon: ScriptedDaemon;
let mcp: McpHandle;

beforeAll(async () => {
  const script = await bundle('test/support/mcp-entry.ts', 'mcp-people');
  daemon = await ScriptedDaemon.start();
  mcp = await startMcp(script, { INTERCOM_HOME: daemon.home });
}, 30_000);
beforeEach(() => daemon.reset());
afterAll(async () => {
  await mcp.close();
  await daemon.stop();
});

const REF = `ask-${'a'.repeat(40)}`;
const AT = '2026-01-02T03:04:05.678Z';
const ASK = 'intercom_ask_human';

function decision(more: Partial<Decision>): Decision {
  return { verdict: 'allow', scope: 'once', by: 'gilles', via: 'telegram', at: AT, ...more };
}

/** The questions as the daemon got them, in a state. */
function standing(more: Partial<LocalQuestionState> = {}): LocalQuestionState {
  const asked = daemon.seen.find(({ route }) => route === 'askPerson');
  const questions = asked === undefined ? [] : LocalQuestion.parse(asked.body).questions;
  return { ref: REF, state: 'pending', questions, ...more };
}

describe('intercom_ask_human', () => {
  it('asks one question with options, waits with signs of life, and gives the answer with who gave it', async () => {
    daemon.on('askPerson', () => standing());
    let polls = 0;
    daemon.on('question', () => {
      polls += 1;
      if (polls < 2) return standing();
      const answers = [{ id: 'q1', options: ['Für alle Mandanten gleichzeitig umstellen'] }];
      return standing({ state: 'allowed', decision: decision({ answers }) });
    });
    const progress: string[] = [];
    const answer = await mcp.call(
      ASK,
      {
        questions: 'How shall the migration run?',
        options: [
          'Für alle Mandanten gleichzeitig umstellen',
          { label: 'One by one', description: 'slower, can be stopped' },
        ],
        context: '42 tenants, 3 GB each',
      },
      { onprogress: ({ message }) => progress.push(message ?? '') },
    );
    expect(answer.data).toMatchObject({
      state: 'answered',
      handle: REF,
      answered_by: 'gilles',
      via: 'telegram',
      answers: [{ question: 'How shall the migration run?', options: ['Für alle Mandanten gleichzeitig umstellen'] }],
    });
    expect(answer.text).toContain('Answered by gilles (telegram)');
    expect(answer.text).toContain('| Für alle Mandanten gleichzeitig umstellen');
    expect(progress[0]).toContain('has not answered yet');
    expect(LocalQuestion.parse(daemon.seen[0]?.body)).toMatchObject({
      expiresInSeconds: 600,
      context: '42 tenants, 3 GB each',
      questions: [
        { id: 'q1', freeText: true, multiple: false, options: [{}, { description: 'slower, can be stopped' }] },
      ],
    });
  });

  it('several questions keep their several answers', async () => {
    daemon.on('askPerson', () =>
      standing({
        state: 'allowed',
        decision: decision({
          answers: [
            { id: 'q1', options: ['red', 'blue'] },
            { id: 'q2', options: [], text: 'by Friday\nat noon' },
          ],
        }),
      }),
    );
    const questions = [
      { header: 'Colour', text: 'Which colours?', options: ['red', 'green', 'blue'], multiple: true, free_text: false },
      { text: 'By when?' },
      { text: 'Anything else?', optional: true },
    ];
    const { data, text } = await mcp.call(ASK, { questions });
    expect(data).toMatchObject({
      answers: [
        { id: 'q1', question: 'Which colours?', options: ['red', 'blue'] },
        { id: 'q2', question: 'By when?', options: [], text: 'by Friday\nat noon' },
      ],
    });
    expect(text).toContain('| by Friday\n| at noon');
    expect(LocalQuestion.parse(daemon.seen[0]?.body).questions).toMatchObject([
      { header: 'Colour', multiple: true, freeText: false },
      { freeText: true, optional: false },
      { optional: true },
    ]);
  });

  it.each<[state: LocalQuestionState['state'], told: string, words: RegExp]>([
    ['expired', 'expired', /Nobody answered in time[^]*no consent/],
    ['denied', 'declined', /gilles \(telegram\) declined to answer: not now[^]*Do not ask the same again/],
    ['withdrawn', 'withdrawn', /nobody answered it/],
  ])('a question that is %s is told as that, and never as a yes', async (state, told, expected) => {
    const because = state === 'denied' ? { decision: decision({ verdict: 'deny', reason: 'not now' }) } : {};
    daemon.on('askPerson', () => standing({ state, ...because }));
    const { data, text } = await mcp.call(ASK, { questions: 'May I?' });
    expect(data).toMatchObject({ state: told, answers: [] });
    expect(text).toMatch(expected);
  });

  it('gives a handle when it stops waiting, and goes on with it', async () => {
    daemon.on('askPerson', () => standing()).on('question', () => standing());
    const open = await mcp.call(ASK, { questions: 'Now or later?', timeout: 3600, wait: 0 });
    expect(open.data).toMatchObject({ state: 'pending', handle: REF });
    expect(open.text).toContain(REF);
    expect(daemon.count('withdrawQuestion')).toBe(0);
    daemon.on('question', () =>
      standing({ state: 'allowed', decision: decision({ answers: [{ id: 'q1', options: [], text: 'later' }] }) }),
    );
    const later = await mcp.call(ASK, { handle: REF, wait: 60 });
    expect(later.data).toMatchObject({ state: 'answered', answers: [{ question: 'Now or later?', text: 'later' }] });
    expect(daemon.count('askPerson')).toBe(1);
  });

  it('is not disturbed by a daemon that restarts, and asks once', async () => {
    daemon.on('askPerson', () => standing());
    const polled = daemon.next('question');
    daemon.on('question', ({ gone }) => new Promise((resolve) => gone.addEventListener('abort', resolve)));
    const answer = mcp.call(ASK, { questions: 'Still there?' });
    await polled;
    await daemon.down();
    daemon.on('question', () =>
      standing({ state: 'allowed', decision: decision({ answers: [{ id: 'q1', options: [], text: 'yes' }] }) }),
    );
    await daemon.up();
    expect((await answer).data).toMatchObject({ state: 'answered' });
    expect(daemon.count('askPerson')).toBe(1);
  });

  it('a call that is cancelled takes its question back', async () => {
    daemon.on('askPerson', () => standing());
    daemon.on('question', ({ gone }) => new Promise((resolve) => gone.addEventListener('abort', resolve)));
    daemon.on('withdrawQuestion', () => ({ ok: true }));
    const polled = daemon.next('question');
    const withdrawn = daemon.next('withdrawQuestion');
    const cancel = new AbortController();
    const call = mcp.call(ASK, { questions: 'May I?' }, { signal: cancel.signal });
    await polled;
    cancel.abort();
    await expect(call).rejects.toThrow();
    expect(await withdrawn).toMatchObject({ id: REF, body: { reason: 'the agent was interrupted' } });
  });

  it.each<[args: Record<string, unknown>, field: string]>([
    [{}, 'questions'],
    [{ questions: ' ' }, 'questions'],
    [{ questions: 'x', timeout: 86_401 }, 'timeout'],
    [{ questions: 'x', options: ['a', 'a'] }, 'options'],
    [{ questions: [{ text: 'x' }], options: ['a'] }, 'options'],
    [{ questions: [{ text: '\u001b[31mred' }] }, 'questions.0.text'],
    [{ questions: [{ text: 'x' }, { text: 'y', free_text: false }] }, 'questions.1.options'],
    [{ questions: [{ text: 'x', options: [{ description: 'no label' }] }] }, 'questions.0.options.0.label'],
    [{ handle: 'ask-1' }, 'handle'],
    [{ handle: REF, questions: 'x' }, 'handle'],
  ])('refuses %j and names the field', async (args, field) => {
    const refused = await mcp.call(ASK, args);
    expect(refused.error).toMatchObject({ code: 'invalid_request', field });
    expect(daemon.seen).toEqual([]);
  });
});

describe('intercom_announce', () => {
  it('says it, and how many could notice', async () => {
    daemon.on('announce', () => ({ id: newId('announcement'), listeners: 2 }));
    const said = await mcp.call('intercom_announce', { message: 'The tests are green.', category: 'milestone' });
    expect(said.data).toMatchObject({ listeners: 2 });
    expect(said.text).toContain('2 pages are looked at');
    expect(daemon.seen[0]?.body).toEqual({ text: 'The tests are green.', category: 'milestone', priority: 'normal' });
  });

  it('without a message tells only whether anybody listens', async () => {
    daemon.on('presence', () => ({ operators: [{ operator: 'gilles', pages: 1, since: AT }] }));
    expect((await mcp.call('intercom_announce', {})).data).toEqual({
      listeners: 1,
      summary: 'One page is looked at now.',
    });
    daemon.on('presence', () => ({ operators: [] }));
    expect((await mcp.call('intercom_announce', {})).text).toBe('Nobody listens now.');
    expect(daemon.count('announce')).toBe(0);
  });

  it('seed: the categories were any text; now one that is none is refused by name', async () => {
    const refused = await mcp.call('intercom_announce', { message: 'x', category: 'shout' });
    expect(refused.error).toMatchObject({ code: 'invalid_request', field: 'category' });
  });

  it('is honest while the hub is away: nothing is kept for later', async () => {
    daemon.on('announce', () => {
      throw new IntercomError('unreachable', 'The hub cannot be reached.');
    });
    const { error, text } = await mcp.call('intercom_announce', { message: 'Half way.' });
    expect(error).toMatchObject({ code: 'unreachable' });
    expect(text).toContain('do not repeat it later');
  });
});
