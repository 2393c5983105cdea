import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { projectIdFor } from '../../../src/daemon/discovery/names.ts';
import { ProjectDirectory, type ProjectDirectoryOptions } from '../../../src/daemon/discovery/project-directory.ts';
import { DaemonStore } from '../../../src/daemon/store/store.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { isProjectId } from '../../../src/protocol/address.ts';
import type { Project } from '../../../src/protocol/model.ts';

const RULES = {
  enabled: true,
  detectBy: ['CLAUDE.md', 'AGENTS.md', '.claude'],
  exclude: ['**/node_modules', 'backups'],
  depth: 3,
  rescanSeconds: 3600,
};

let root: string;
let home: string;
let store: DaemonStore;
const running: ProjectDirectory[] = [];

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'projects-')));
  home = join(root, 'home');
  mkdirSync(home);
  store = new DaemonStore({ file: join(root, 'daemon.db'), clock: systemClock, log: silentLog() });
});
afterEach(async () => {
  for (const projects of running.splice(0)) await projects.stop();
  await store.close();
  rmSync(root, { recursive: true, force: true });
});

function make(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(join(home, path, '..'), { recursive: true });
    writeFileSync(join(home, path), '');
  }
}

async function start(
  discovery: Partial<ProjectDirectoryOptions['discovery']> = {},
  configured: ProjectDirectoryOptions['configured'] = [],
): Promise<ProjectDirectory> {
  const projects = new ProjectDirectory({
    configured,
    discovery: { ...RULES, scanPaths: [home], ...discovery },
    home,
    defaultAgent: 'gemini',
    facts: store.facts,
    clock: systemClock,
    log: silentLog(),
  });
  running.push(projects);
  await projects.start();
  return projects;
}

async function restart(projects: ProjectDirectory): Promise<ProjectDirectory> {
  await projects.stop();
  return start();
}

const ids = (projects: { list(): readonly Project[] }) => projects.list().map(({ id }) => id);

function changed(projects: ProjectDirectory): Promise<readonly Project[]> {
  return new Promise((resolve) => {
    const stop = projects.onChange((list) => {
      stop();
      resolve(list);
    });
  });
}

describe('discovery', () => {
  it('seed: of two directories with one name the second was invisible', async () => {
    make('play/api/CLAUDE.md', 'work/api/AGENTS.md', 'x/work/API/CLAUDE.md');
    const projects = await start();
    expect(ids(projects)).toEqual(['api', 'home', 'work/api', 'x/work/API']);
  });

  it('seed: node_modules, hidden and excluded directories were walked, and ~/.claude became a project', async () => {
    make(
      '.claude/CLAUDE.md',
      '.cache/thing/CLAUDE.md',
      'app/CLAUDE.md',
      'app/node_modules/lib/CLAUDE.md',
      'backups/old/CLAUDE.md',
      'a/b/c/d/CLAUDE.md',
    );
    symlinkSync(join(home, 'app'), join(home, 'again'));
    expect(ids(await start())).toEqual(['app', 'home']);
  });

  it('seed: the scan path itself was never a project, and names lost their case', async () => {
    make('AI-Tools/CLAUDE.md', 'AI-Tools/Sub Dir/CLAUDE.md');
    const projects = await start({ scanPaths: [join(home, 'AI-Tools')] });
    expect(ids(projects)).toEqual(['AI-Tools', 'Sub-Dir', 'home']);
  });

  it('seed: detect_by was ignored, and so was a pattern in it', async () => {
    make('one/CLAUDE.md', 'two/go.mod', 'three/x.sln');
    expect(ids(await start({ detectBy: ['go.mod', '*.sln'] }))).toEqual(['home', 'three', 'two']);
  });

  it('seed: removed projects stayed for ever, new ones needed a restart; an id once chosen stays with its directory', async () => {
    make('b/api/CLAUDE.md');
    let projects = await start();
    expect(ids(projects)).toEqual(['api', 'home']);
    // Sorted before the other one, so a naive numbering would take its id away.
    make('a/api/CLAUDE.md');
    await projects.rescan();
    expect(projects.list().map(({ id, path }) => [id, path])).toContainEqual(['api', join(home, 'b/api')]);
    expect(ids(projects)).toEqual(['a/api', 'api', 'home']);
    projects = await restart(projects);
    expect(projects.list().map(({ id, path }) => [id, path])).toContainEqual(['api', join(home, 'b/api')]);
    rmSync(join(home, 'b'), { recursive: true });
    await projects.rescan();
    expect(ids(projects)).toEqual(['a/api', 'home']);
  });

  it('hears of a new project without being asked', async () => {
    make('one/CLAUDE.md');
    const projects = await start();
    const news = changed(projects);
    make('two/CLAUDE.md');
    expect((await news).map(({ id }) => id)).toEqual(['home', 'one', 'two']);
  });

  it('puts what is configured over what is found; a project without an agent has the default one of the machine', async () => {
    make('app/CLAUDE.md', 'other/CLAUDE.md');
    const app = {
      id: 'other',
      description: 'by hand',
      capabilities: ['code'],
      tags: [],
      path: join(home, 'app'),
      agentCommand: 'codex',
    };
    const site = { ...app, id: 'site', path: join(home, 'site'), agentCommand: undefined };
    const projects = await start({}, [app, site]);
    expect(projects.list()).toMatchObject([
      { id: 'home' },
      { id: 'home/other', source: 'discovered', agent: 'gemini' },
      { id: 'other', source: 'configured', agent: 'codex', description: 'by hand', path: join(home, 'app') },
      { id: 'site', source: 'configured', agent: 'gemini' },
    ]);
  });
});

describe('the project of a directory', () => {
  it('is the project that holds it, else its working tree, else itself; home holds nothing but itself', async () => {
    make('app/CLAUDE.md', 'app/src/x', 'tool/.git/HEAD', 'tool/src/x', 'loose/deep/x');
    const projects = await start();
    const table: [string, string, Project['source']][] = [
      ['', 'home', 'discovered'],
      ['app/src', 'app', 'discovered'],
      ['tool/src', 'tool', 'session'],
      ['tool', 'tool', 'session'],
      ['loose/deep', 'deep', 'session'],
      ['loose', 'loose', 'session'],
      ['gone/away', 'away', 'session'],
    ];
    for (const [path, id, source] of table) {
      expect(projects.forDirectory(join(home, path)), path).toMatchObject({ id, source });
    }
    expect(projects.forDirectory('/').id).toBe('root');
    expect(projects.forDirectory(join(home, 'app/src')).id).toBe('app');
  });

  it('is known after a restart, so that mail for it is not refused', async () => {
    make('tool/.git/HEAD');
    const projects = await start();
    projects.forDirectory(join(home, 'tool'));
    const again = await restart(projects);
    expect(again.has('tool')).toBe(true);
  });

  it('never runs out of room, whatever directories callers name', async () => {
    const projects = await start();
    for (let number = 0; number < 400; number += 1) projects.forDirectory(join(home, `nowhere-${number}`));
    expect(projects.list().length).toBeLessThanOrEqual(302);
    expect(projects.has('nowhere-399')).toBe(true);
  });
});

describe('register', () => {
  it('seed: a partial update wiped the other fields', async () => {
    make('app/CLAUDE.md');
    let projects = await start();
    await projects.update('app', { description: 'the app', tags: ['web'] });
    await projects.update('app', { capabilities: ['code'] });
    projects = await restart(projects);
    expect(projects.list()).toContainEqual(
      expect.objectContaining({ id: 'app', description: 'the app', tags: ['web'], capabilities: ['code'] }),
    );
  });

  it('seed: add_project and remove_project did nothing', async () => {
    make('app/CLAUDE.md', 'plain/readme');
    let projects = await start();
    await projects.add('mine', join(home, 'plain'), {});
    await projects.remove('app');
    await projects.rescan();
    projects = await restart(projects);
    expect(ids(projects)).toEqual(['home', 'mine']);
    await expect(projects.add('x', join(home, 'nothing'), {})).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(projects.add('x', 'plain', {})).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(projects.add('HOME', join(home, 'plain'), {})).rejects.toMatchObject({ code: 'conflict' });
    await expect(projects.remove('nothing')).rejects.toMatchObject({ code: 'unknown_project' });
  });
});

describe('projectIdFor', () => {
  it('makes ids that are valid and free, whatever the path', () => {
    const path = fc
      .array(fc.string({ minLength: 1, unit: 'binary' }), { maxLength: 6 })
      .map((parts) => `/${parts.join('/')}`);
    fc.assert(
      fc.property(fc.array(path, { maxLength: 12 }), (paths) => {
        const taken = new Set<string>();
        for (const one of paths) {
          const id = projectIdFor(one, (candidate) => taken.has(candidate));
          expect(isProjectId(id)).toBe(true);
          expect(taken.has(id)).toBe(false);
          taken.add(id);
        }
      }),
    );
  });
});
