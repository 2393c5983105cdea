/** Questions of agents in Telegram: options, several at once, texts, races, restarts; on the emulated Telegram. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Question } from '../../../src/protocol/attention.ts';
import type { Approval, QuestionSubject } from '../../../src/protocol/model.ts';
import type { ShownMessage } from '../../support/telegram-emulator/chats.ts';
import { ANN, BOB, GROUP, Room, VIEWER } from './room.ts';

let room: Room;
beforeEach(async () => {
  room = await Room.open();
  room.telegram.addForum(GROUP);
  room.start();
  await room.settled();
});
afterEach(() => room.close());

const named = (message: ShownMessage) => message.buttons.map((row) => row.map(({ text }) => text));
const decided = ({ id }: Approval) => room.hub.approvals.get(id)?.decision;
const card = () => room.found('Session: laptop/api');

const DATABASE = {
  id: 'db',
  header: 'Database',
  text: 'Which database shall I use?',
  options: [{ label: 'PostgreSQL', description: 'As the others do' }, { label: 'SQLite' }],
};
const PARTS = {
  id: 'parts',
  text: 'Which parts?',
  options: [{ label: 'API' }, { label: 'Web' }, { label: 'CLI' }],
  multiple: true,
};
const NAME = { id: 'name', text: 'What is it called?', options: [] };

function ask(questions: unknown[], extra: Partial<QuestionSubject> = {}): Approval {
  return room.hub.approval({
    ...{
      kind: 'question',
      source: 'ask_user',
      from: 'laptop/api#3f2a9c7e',
      agent: 'claude',
      summary: 'Which database?',
    },
    ...{ cut: false, cwd: '/home/ann/api', questions: questions.map((each) => Question.parse(each)) },
    ...extra,
  });
}

async function asked(questions: unknown[], extra: Partial<QuestionSubject> = {}): Promise<Approval> {
  const approval = ask(questions, extra);
  await room.settled();
  return approval;
}

describe('one question', () => {
  it('seed: no inline answer buttons: its options are buttons, and a tap answers', async () => {
    const approval = await asked([DATABASE]);
    expect(card().content.text).toContain('claude asks you something');
    expect(card().content.text).toContain(
      'Which database shall I use?\n\n1. PostgreSQL\n    As the others do\n2. SQLite',
    );
    expect(named(card())).toEqual([
      ['PostgreSQL', 'SQLite'],
      ['✍️ Write an answer', '⛔ Decline'],
    ]);
    expect(await room.press(card(), ANN, 'SQLite')).toEqual({ text: 'Answered.', alert: false });
    expect(decided(approval)).toMatchObject({
      verdict: 'allow',
      by: 'ann',
      answers: [{ id: 'db', options: ['SQLite'] }],
    });
    await room.settled();
    expect(card().content.text).toMatch(/→ SQLite\nSession: .*\nDirectory: .*\n✅ Answered by ann \(Telegram\)/);
    // seed: the approval's message was overwritten by its answer
    expect(card().content.text).toContain('Which database shall I use?\n\n1. PostgreSQL');
    expect(card().buttons).toEqual([]);
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('long options in any language stand whole in the text, with short numbers on the buttons', async () => {
    const label =
      'データベースを新しいサーバーに移行してから、古いサーバーを停止します。その後、すべてのテストを実行します';
    const approval = await asked([
      {
        ...DATABASE,
        options: [{ label }, { label: `${label}（後で）` }, { label: 'Нет, сначала резервная копия всех данных' }],
      },
    ]);
    expect(card().content.text).toContain(`1. ${label}\n2. ${label}（後で）\n3. Нет`);
    expect(named(card())[0]).toEqual(['1', '2', '3']);
    await room.press(card(), ANN, '2');
    expect(decided(approval)?.answers).toEqual([{ id: 'db', options: [`${label}（後で）`] }]);
  });

  it('the longest of everything is one message that shows every option, and a file with all of it', async () => {
    const options = Array.from({ length: 50 }, (_, index) => ({
      label: `${index} <&> ${'長い'.repeat(300)}`,
      description: 'd'.repeat(4000),
    }));
    const approval = await asked([{ ...PARTS, text: 'q'.repeat(8000), options }], { context: '<c>'.repeat(30_000) });
    expect(card().content.text).toContain('Shortened');
    for (let number = 1; number <= 50; number += 1)
      expect(card().content.text).toContain(`\n${number}. ${number - 1} <`);
    const file = room.telegram.messages(GROUP).find(({ document }) => document !== undefined);
    expect(file?.document?.text).toContain(`50. 49 <&> ${'長い'.repeat(300)}`);
    await room.press(card(), ANN, '☐ 50');
    await room.settled();
    await room.press(card(), ANN, 'Done (1)');
    expect(decided(approval)?.answers?.[0]?.options).toEqual([options[49]?.label]);
    await room.settled();
    expect(card().content.text).toContain('Answered by ann');
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('declines', async () => {
    const approval = await asked([DATABASE]);
    expect(await room.press(card(), ANN, 'Decline')).toEqual({ text: 'Declined.', alert: false });
    expect(decided(approval)).toMatchObject({ verdict: 'deny' });
    await room.settled();
    expect(card().content.text).toContain('Declined by ann (Telegram)');
  });

  it('a text of the agent cannot leave its quote', async () => {
    await asked([{ ...DATABASE, text: 'a</blockquote>\n✅ Answered by ann \u202e', options: [{ label: '<b>x</b>' }] }]);
    const { text, entities } = card().content;
    const quote = entities.find(({ type }) => type === 'blockquote');
    expect(text.slice(quote?.offset, (quote?.offset ?? 0) + (quote?.length ?? 0))).toBe(
      'a</blockquote>\n✅ Answered by ann ‹U+202E›\n\n1. <b>x</b>',
    );
  });
});

describe('several questions', () => {
  it('are answered one after the other and sent together', async () => {
    const approval = await asked([DATABASE, PARTS, NAME]);
    expect(card().content.text).toContain('claude asks 3 things');
    expect(card().content.text).toContain('1 of 3 · Database');
    expect(await room.press(card(), ANN, 'PostgreSQL')).toEqual({ text: 'Question 2 of 3.', alert: false });
    expect(approval.state).toBe('pending');
    await room.settled();
    expect(card().content.text).toContain('✓ Database → PostgreSQL\n2 of 3');
    expect((await room.press(card(), ANN, 'Done')).text).toBe('Choose at least one, or write an answer.');
    await room.press(card(), ANN, 'CLI');
    await room.settled();
    await room.press(card(), ANN, 'API');
    await room.settled();
    expect(named(card()).slice(0, 3)).toEqual([['☑ API', '☐ Web'], ['☑ CLI'], ['✅ Done (2)']]);
    await room.press(card(), ANN, 'CLI');
    await room.settled();
    await room.press(card(), ANN, 'Done (1)');
    await room.settled();
    expect(card().content.text).toContain('✓ Which parts? → API\n3 of 3');
    room.telegram.write(GROUP, ANN, 'atlas', { replyTo: card().id });
    await room.until(() => decided(approval) !== undefined);
    expect(decided(approval)?.answers).toEqual([
      { id: 'db', options: ['PostgreSQL'] },
      { id: 'parts', options: ['API'] },
      { id: 'name', options: [], text: 'atlas' },
    ]);
    await room.settled();
    expect(card().content.text).toMatch(/→ atlas\nSession: .*\nDirectory: .*\n✅ Answered by ann/);
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('goes back, and leaves out what may be left out', async () => {
    const approval = await asked([DATABASE, { ...NAME, optional: true }]);
    await room.press(card(), ANN, 'PostgreSQL');
    await room.settled();
    await room.press(card(), ANN, 'Back');
    await room.settled();
    await room.press(card(), ANN, 'SQLite');
    await room.settled();
    await room.press(card(), ANN, 'Leave it out');
    expect(decided(approval)?.answers).toEqual([{ id: 'db', options: ['SQLite'] }]);
  });

  it('a press on an earlier question answers nothing else, also while Telegram holds the card back (429)', async () => {
    const approval = await asked([DATABASE, { ...DATABASE, id: 'second' }]);
    room.telegram.refuseNext('editMessageText', 429, 'Too Many Requests: retry after 40', { retry_after: 40 });
    await room.press(card(), ANN, 'PostgreSQL');
    expect(await room.press(card(), BOB, 'SQLite')).toEqual({
      text: 'That question was answered already. The card shows what is asked now.',
      alert: true,
    });
    room.telegram.write(GROUP, BOB, 'neither', { replyTo: card().id });
    await room.until(() => room.telegram.texts(GROUP).some((text) => text.includes('The card has just changed.')));
    expect(decided(approval)).toBeUndefined();
    await room.settled();
    expect(card().content.text).toContain('2 of 2');
    await room.press(card(), BOB, 'SQLite');
    expect(decided(approval)?.answers).toEqual([
      { id: 'db', options: ['PostgreSQL'] },
      { id: 'second', options: ['SQLite'] },
    ]);
  });

  it('half an answer survives a restart', async () => {
    const approval = await asked([DATABASE, PARTS]);
    await room.press(card(), ANN, 'SQLite');
    await room.settled();
    await room.press(card(), ANN, 'Web');
    await room.restart();
    await room.settled();
    expect(card().content.text).toContain('✓ Database → SQLite\n2 of 2');
    expect(card().content.text).toContain('Answered so far by ann');
    await room.press(card(), BOB, 'Done (1)');
    expect(decided(approval)).toMatchObject({ by: 'bob', answers: [{ options: ['SQLite'] }, { options: ['Web'] }] });
    expect(room.telegram.messages(GROUP).filter(({ from }) => from === 'bot')).toHaveLength(1);
  });

  it('what is asked has changed: the draft begins anew, and an old press decides nothing', async () => {
    const approval = await asked([DATABASE, PARTS]);
    await room.press(card(), ANN, 'SQLite');
    await room.settled();
    const { subject } = approval;
    if (subject.kind !== 'question') throw new Error('not a question');
    const questions = [Question.parse({ ...DATABASE, text: 'Which database shall I delete?' })];
    room.hub.approvals.set(approval.id, { ...approval, subject: { ...subject, questions }, shownHash: 'f'.repeat(64) });
    expect((await room.press(card(), ANN, 'Web')).text).toContain('changed since the card was shown');
    await room.settled();
    expect(card().content.text).toContain('Which database shall I delete?');
    expect(card().content.text).not.toContain('Answered so far');
    expect(decided(approval)).toBeUndefined();
  });
});

describe('an answer in own words', () => {
  it('seed: no reply-to-answer: by a reply to the card', async () => {
    const approval = await asked([DATABASE]);
    const written = room.telegram.write(GROUP, ANN, 'DuckDB, please', { replyTo: card().id });
    await room.until(() => decided(approval) !== undefined);
    expect(decided(approval)?.answers).toEqual([{ id: 'db', options: [], text: 'DuckDB, please' }]);
    await room.settled();
    expect(room.telegram.message(GROUP, written).reaction).toBe('👌');
  });

  it('is asked for by a button, of who pressed it, for that question and no other', async () => {
    const approval = await asked([NAME, DATABASE]);
    expect((await room.press(card(), ANN, 'Write')).text).toContain('reply to my message below');
    await room.settled();
    const prompt = room.found('ann, your answer to “What is it called?”?');
    expect(prompt).toMatchObject({ asks: 'Your answer', silent: true, replyTo: card().id });
    room.telegram.write(GROUP, BOB, 'borealis', { replyTo: card().id });
    await room.settled();
    expect(card().content.text).toContain('✓ What is it called? → borealis');
    room.telegram.write(GROUP, ANN, 'atlas', { replyTo: prompt.id });
    await room.until(() =>
      room.telegram.texts(GROUP).some((text) => text.includes('That question was answered already')),
    );
    expect(decided(approval)).toBeUndefined();
    await room.press(card(), ANN, 'SQLite');
    expect(decided(approval)?.answers).toEqual([
      { id: 'name', options: [], text: 'borealis' },
      { id: 'db', options: ['SQLite'] },
    ]);
  });

  it('stands beside ticked options, and who writes an option means it', async () => {
    const approval = await asked([PARTS]);
    room.telegram.write(GROUP, ANN, 'web', { replyTo: card().id });
    await room.settled();
    room.telegram.write(GROUP, ANN, 'and the docs', { replyTo: card().id });
    await room.settled();
    expect(card().content.text).toContain('Your own answer: and the docs');
    await room.press(card(), ANN, 'Done (2)');
    expect(decided(approval)?.answers).toEqual([{ id: 'parts', options: ['Web'], text: 'and the docs' }]);
  });

  it('is not taken where only options are; their number is', async () => {
    const approval = await asked([{ ...DATABASE, freeText: false }]);
    expect(named(card()).flat()).not.toContain('✍️ Write an answer');
    room.telegram.write(GROUP, ANN, 'DuckDB', { replyTo: card().id });
    await room.until(() => room.telegram.texts(GROUP).some((text) => text.includes('takes only its options')));
    expect(decided(approval)).toBeUndefined();
    room.telegram.write(GROUP, ANN, '2', { replyTo: card().id });
    await room.until(() => decided(approval) !== undefined);
    expect(decided(approval)?.answers).toEqual([{ id: 'db', options: ['SQLite'] }]);
  });

  it('stands in the topic of its mission, and a reply to it is not said to the mission', async () => {
    const mission = room.hub.missions.add();
    room.hub.missions.run(mission.id);
    const approval = await asked([DATABASE], { missionId: mission.id });
    expect(card().topic).toBe(room.found(mission.id).topic);
    room.telegram.write(GROUP, ANN, 'DuckDB', { replyTo: card().id, topic: card().topic ?? 0 });
    await room.until(() => decided(approval) !== undefined);
    expect([...room.hub.messages.values()]).toEqual([]);
  });
});

describe('who may, and who was first', () => {
  it('a viewer looks on', async () => {
    const approval = await asked([DATABASE]);
    expect((await room.press(card(), VIEWER, 'SQLite')).text).toContain('viewer');
    room.telegram.write(GROUP, VIEWER, 'DuckDB', { replyTo: card().id });
    await room.until(() => room.telegram.texts(GROUP).some((text) => text.includes('As a viewer')));
    expect(decided(approval)).toBeUndefined();
  });

  it('two at once: the first one wins, and the second is told', async () => {
    const approval = await asked([DATABASE]);
    const one = room.telegram.press(GROUP, card().id, ANN, 'SQLite');
    const two = room.telegram.press(GROUP, card().id, BOB, 'PostgreSQL');
    await room.until(() => room.telegram.callsOf('answerCallbackQuery').length === 2);
    expect([await one, await two]).toEqual([
      { text: 'Answered.', alert: false },
      { text: 'It is answered already by ann (Telegram).', alert: true },
    ]);
    expect(decided(approval)).toMatchObject({ by: 'ann', answers: [{ options: ['SQLite'] }] });
  });

  it('answered at the terminal: the card says so, and later texts and presses decide nothing', async () => {
    const approval = await asked([DATABASE]);
    const { data = '' } = card().buttons[0]?.[0] ?? {};
    const at = new Date(room.clock.now()).toISOString();
    const decision = {
      verdict: 'allow',
      scope: 'once',
      by: 'the person at the terminal',
      via: 'terminal',
      at,
    } as const;
    room.hub.setApproval({ ...approval, state: 'answered_elsewhere', decision });
    await room.settled();
    expect(card().content.text).toContain('Answered elsewhere by the person at the terminal');
    const late = room.telegram.pressData(GROUP, card().id, ANN, data);
    room.telegram.write(GROUP, ANN, 'DuckDB', { replyTo: card().id });
    await room.until(() =>
      room.telegram.texts(GROUP).some((text) => text.startsWith('It is answered elsewhere already')),
    );
    expect((await late).text).toContain('answered elsewhere already by the person at the terminal (terminal)');
    expect(room.hub.approvals.get(approval.id)?.decision?.answers).toBeUndefined();
  });

  it('seed: timeouts leave live buttons: one that expires has none', async () => {
    const approval = await asked([DATABASE]);
    room.hub.setApproval({ ...approval, state: 'expired' });
    await room.settled();
    expect(card().content.text).toContain('Expired: nobody answered until 22 Nov 14:00 UTC');
    expect(card().buttons).toEqual([]);
  });

  it('an answer that did not reach the agent is said on the card', async () => {
    const approval = await asked([DATABASE], { source: 'dialog' });
    await room.press(card(), ANN, 'SQLite');
    const now = room.hub.approvals.get(approval.id) ?? approval;
    const at = new Date(room.clock.now()).toISOString();
    room.hub.setApproval({ ...now, effect: { state: 'failed', reason: 'the screen had changed', at } });
    await room.settled();
    expect(card().content.text).toContain('Answered by ann');
    expect(card().content.text).toContain('⚠️ Not done: the screen had changed');
  });
});
