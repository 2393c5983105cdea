import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { beforeEach, describe, expect, it } from 'vitest';
import { admit, identify, LocalKey } from '../../../src/daemon/http/local-caller.ts';
import type { Caller } from '../../../src/daemon/ports.ts';
import type { RunnerLookup } from '../../../src/daemon/sessions/managed.ts';
import { LiveSessions } from '../../../src/daemon/sessions/session-book.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { newId } from '../../../src/protocol/ids.ts';
import { CALLER_HEADERS } from '../../../src/protocol/local-api.ts';
import { Project, Session } from '../../../src/protocol/model.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const AT = '2026-11-21T12:00:00.000Z';
const RUN = newId('runner');
const SILENT_RUN = newId('runner');
const EARLY_RUN = newId('runner');

let book: LiveSessions;
beforeEach(() => {
  book = new LiveSessions({ clock: new ManualClock(), log: silentLog() });
  const put = (id: string, agent: string, pid: number | undefined, project: string): void =>
    book.put(
      Session.parse({
        ...{ id, agent, project, cwd: `/srv/${project}`, state: 'idle', stateSince: AT, startedAt: AT },
        ...{ managed: false, rung: 'hooks', ...(pid === undefined ? {} : { pid }) },
      }),
    );
  put('codex-one', 'codex', 100, 'api');
  put('codex-two', 'codex', undefined, 'web');
  put('gemini-run', 'gemini', 200, 'shop');
  put('claude-own', 'claude', 300, 'api');
});

const runners: RunnerLookup = {
  ofRunner: (runner) => {
    if (runner === RUN) return { agent: 'gemini', session: 'gemini-run' };
    if (runner === SILENT_RUN) return { agent: 'gemini', session: undefined };
    return runner === EARLY_RUN ? { agent: 'codex', session: 'not-in-the-book' } : undefined;
  },
};
const projects = {
  forDirectory: (cwd: string) => Project.parse({ id: cwd.replaceAll(/\W+/g, '-').slice(1), path: cwd }),
};

function who(caller: Partial<Caller>): string {
  const all: Caller = { agent: undefined, pid: undefined, session: undefined, cwd: '/srv/lab', ...caller };
  const { session, project } = identify(all, { book, runners, projects, home: '/home/ada' });
  return session === undefined ? project : `${project}#${session.id}`;
}

describe('who a caller is', () => {
  it.each<[string, Partial<Caller>, string]>([
    ['the session of its process', { agent: 'claude', pid: 300, session: 'codex-one' }, 'api#claude-own'],
    ['the session that it names, without a process', { agent: 'codex', session: 'codex-one' }, 'api#codex-one'],
    ['another that it names, from the same server', { agent: 'codex', session: 'codex-two' }, 'web#codex-two'],
    ['nobody’s session of another process', { agent: 'codex', pid: 999, session: 'codex-one' }, 'srv-lab'],
    ['the session of its run, behind a bridge', { agent: 'gemini', pid: 201, runner: RUN }, 'shop#gemini-run'],
    ['the session of its run, when it does not say what it is', { runner: RUN }, 'shop#gemini-run'],
    [
      'the session of its run, with an id that is none here',
      { agent: 'gemini', session: 'x-old', runner: RUN },
      'shop#gemini-run',
    ],
    [
      'its own session before the run that it was started in',
      { agent: 'claude', pid: 300, runner: RUN },
      'api#claude-own',
    ],
    ['not the run that another agent was started in', { agent: 'claude', pid: 301, runner: RUN }, 'srv-lab'],
    ['nobody in a run that does not live here', { agent: 'gemini', runner: newId('runner') }, 'srv-lab'],
    ['nobody in a run whose session is not known yet', { agent: 'gemini', runner: SILENT_RUN }, 'srv-lab'],
    ['nobody in a run whose session is not there', { agent: 'codex', runner: EARLY_RUN }, 'srv-lab'],
    ['its directory', { agent: 'codex' }, 'srv-lab'],
  ])('%s', (_what, caller, expected) => {
    expect(who(caller)).toBe(expected);
  });

  it('nobody in a run whose session has ended', () => {
    book.end('gemini-run', 'it ended');
    expect(who({ agent: 'gemini', runner: RUN })).toBe('srv-lab');
  });
});

describe('a request', () => {
  const KEY = 'the-key-of-the-local-api-0123456789';
  const request = (headers: Record<string, string>): IncomingMessage =>
    Object.assign(new IncomingMessage(new Socket()), { headers });
  const taken = (headers: Record<string, string>): readonly string[] => {
    const heard: string[] = [];
    const options = { book, runners, projects, home: '/home/ada', key: new LocalKey(KEY) };
    admit(request(headers), { ...options, heard: (session) => heard.push(session) });
    return heard;
  };
  const own = { [CALLER_HEADERS.agent]: 'claude', [CALLER_HEADERS.pid]: '300' };

  it('is a sign of life of its session, which may wait in a tool of ours for long', () => {
    expect(taken({ authorization: `Bearer ${KEY}`, ...own })).toEqual(['claude-own']);
    expect(taken({ authorization: `Bearer ${KEY}` })).toEqual([]);
  });

  it('without the key is nobody’s', () => {
    expect(() => taken(own)).toThrow(/key of the local API/);
  });
});
