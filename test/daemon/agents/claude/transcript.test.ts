import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  findTranscript,
  isTranscriptOf,
  lastPermissionMode,
  searchTranscript,
  watchTranscript,
} from '../../../../src/daemon/agents/claude/transcript.ts';

const ID = 'msg_01M7XPT8Z7GBVFMDHTNS1BQKG1';
const TEXT = `<cross-session-message from="uds:/x">\n<intercom-message id="${ID}">hi</intercom-message>\n</cross-session-message>`;

/** Entries as 2.1.329 and 2.1.197 write them, cut to what matters. */
const user = {
  type: 'user',
  uuid: 'u-1',
  isSidechain: false,
  message: { role: 'user', content: `Another Claude session sent a message:\n${TEXT}` },
};
const queued = { type: 'attachment', uuid: 'u-2', attachment: { type: 'queued_command', prompt: TEXT } };
const context = {
  type: 'attachment',
  uuid: 'u-3',
  attachment: { type: 'hook_additional_context', content: [TEXT], hookEvent: 'PostToolUse' },
};
const result = {
  type: 'user',
  uuid: 'u-4',
  message: { role: 'user', content: [{ type: 'tool_result', content: [{ type: 'text', text: TEXT }] }] },
};
const enqueue = { type: 'queue-operation', operation: 'enqueue', content: TEXT };

let directory: string;
let file: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ic-transcript-'));
  await mkdir(join(directory, 'projects', '-shop'), { recursive: true });
  file = join(directory, 'projects', '-shop', 'sess-1.jsonl');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

async function lines(...entries: readonly unknown[]): Promise<void> {
  await writeFile(file, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
}

describe('the transcript as proof', () => {
  it.each([
    ['an idle session’s user entry', user, 'transcript: user entry u-1'],
    ['a queued command that was taken up', queued, 'transcript: queued_command u-2'],
    ['a hook’s additional context', context, 'transcript: hook_additional_context u-3'],
  ])('%s counts', async (_what, entry, proof) => {
    await lines(entry);
    const search = await searchTranscript(file, [ID], false);
    expect([...search.entered]).toEqual([[ID, proof]]);
  });

  it.each([
    ['a queue entry', enqueue],
    [
      'the model’s own words',
      { type: 'assistant', message: { role: 'assistant', content: [{ type: 'text', text: TEXT }] } },
    ],
    [
      'a copy of a request',
      { type: 'api-request-blob', message: { role: 'user', content: [{ type: 'text', text: TEXT }] } },
    ],
    ['what a hook printed', { type: 'attachment', attachment: { type: 'hook_success', stdout: TEXT, content: '' } }],
    ['a subagent’s entry', { ...user, isSidechain: true }],
    ['a tool result, for mail that was brought', result],
    ['half a line', undefined],
  ])('%s does not', async (_what, entry) => {
    await writeFile(file, entry === undefined ? JSON.stringify(user).slice(0, -1) : `${JSON.stringify(entry)}\n`);
    expect((await searchTranscript(file, [ID], false)).entered.size).toBe(0);
  });

  it('a tool result counts for mail that a tool call fetched', async () => {
    await lines(result);
    expect((await searchTranscript(file, [ID], true)).entered.has(ID)).toBe(true);
  });

  it.each([
    ['enqueued', [enqueue], true],
    ['dequeued', [enqueue, { type: 'queue-operation', operation: 'dequeue' }], false],
    [
      'another one dequeued',
      [{ ...enqueue, content: 'first' }, enqueue, { type: 'queue-operation', operation: 'dequeue' }],
      true,
    ],
    ['removed', [{ ...enqueue, content: 'first' }, enqueue, { ...enqueue, operation: 'remove' }], false],
    ['taken back into the prompt', [enqueue, { type: 'queue-operation', operation: 'popAll' }], false],
  ] as const)('the agent’s queue: %s', async (_what, entries, waits) => {
    await lines(...entries);
    expect((await searchTranscript(file, [ID], false)).queued.has(ID)).toBe(waits);
  });

  it('a transcript that is not there holds nothing; one that cannot be read proves nothing', async () => {
    expect(await searchTranscript(file, [ID], false)).toMatchObject({ readable: true });
    expect(await searchTranscript(join(directory, 'projects'), [ID], false)).toMatchObject({ readable: false });
  });

  it('is found by the session’s id, and a hook’s word about another file is not taken', async () => {
    const projects = join(directory, 'projects');
    expect(await findTranscript(projects, 'sess-1')).toBeUndefined();
    await lines(user);
    expect(await findTranscript(projects, 'sess-1')).toBe(file);
    expect(isTranscriptOf(file, projects, 'sess-1')).toBe(true);
    for (const other of [
      '/etc/passwd',
      join(projects, 'sess-1.jsonl'),
      join(projects, '-shop', '..', '..', 'x', 'sess-1.jsonl'),
      join(projects, '-shop', 'sess-2.jsonl'),
    ]) {
      expect(isTranscriptOf(other, projects, 'sess-1')).toBe(false);
    }
  });

  it('knows the permission mode that was noted last', async () => {
    await lines(
      { type: 'permission-mode', permissionMode: 'default' },
      user,
      { type: 'permission-mode', permissionMode: 'bypassPermissions' },
      user,
    );
    expect(await lastPermissionMode(file)).toBe('bypassPermissions');
  });

  it('is found also when it appears between the look and the watch', async () => {
    const projects = join(directory, 'projects');
    let looks = 0;
    const grown = new Promise<string>((resolve) => {
      const stop = watchTranscript({
        projects,
        likely: join(projects, '-shop'),
        find: async () => {
          const found = await findTranscript(projects, 'sess-1');
          if ((looks += 1) === 1) await appendFile(file, `${JSON.stringify(user)}\n`);
          return found;
        },
        onGrowth: (path) => {
          stop();
          resolve(path);
        },
      });
    });
    expect(await grown).toBe(file);
  });

  it('is watched also before it is there', async () => {
    const projects = join(directory, 'projects');
    const grown = new Promise<string>((resolve) => {
      const stop = watchTranscript({
        projects,
        likely: join(projects, '-shop'),
        find: () => findTranscript(projects, 'sess-1'),
        onGrowth: (path) => {
          stop();
          resolve(path);
        },
      });
    });
    await new Promise((resolve) => setImmediate(resolve));
    await appendFile(file, `${JSON.stringify(user)}\n`);
    expect(await grown).toBe(file);
  });
});
