/**
 * A git worktree and branch of its own for a mission.
 *
 * Invariants: git is called with arguments, never through a shell, with a time limit and without prompts, and runs no hook of the repository and no
 * program that its configuration names for showing a diff; a worktree with changes or commits of its own is never removed; a branch that has commits
 * is never deleted.
 */
import { realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { execa } from 'execa';
import { privateDirectory } from '../../platform/files.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { MissionResult } from '../../protocol/mission.ts';
import type { WorktreeFacts } from '../store/mission-rows.ts';

const GIT_TIMEOUT_MS = 60_000;
const STAT_MAX = 20_000;
const DIFF_MAX = 100_000;
/** A worktree of a large repository may take long to write. */
const ADD_TIMEOUT_MS = 10 * 60_000;

/** What became of it: the part of a mission's result. */
export type WorktreeReport = Pick<MissionResult, 'branch' | 'worktreeKept' | 'diffStat' | 'diff'>;

export interface WorktreeState {
  readonly report: WorktreeReport;
  /** Nothing changed and nothing was committed. */
  readonly clean: boolean;
}

/** The repository that holds `directory`; throws `failed` where it is in none, or git is missing. */
export async function repositoryOf(directory: string): Promise<string> {
  const found = await git(directory, ['rev-parse', '--show-toplevel']).catch((error: unknown) => {
    if (error instanceof IntercomError) throw error;
    return '';
  });
  const repository = found.trim();
  const head = repository === '' ? '' : await git(repository, ['rev-parse', '--verify', 'HEAD']).catch(() => '');
  if (head.trim() !== '') return repository;
  const why = repository === '' ? 'is in no git repository' : 'is a git repository without a commit';
  throw new IntercomError('failed', `The directory ${directory} ${why}, so it can have no worktree.`, {
    next: 'Ask for it without isolation, or make it a repository with a commit first.',
  });
}

/** Makes (or makes again) the worktree of a mission below `root`. Returns the agent's directory in it too. */
export async function makeWorktree(
  directory: string,
  mission: string,
  root: string,
  before: WorktreeFacts | undefined,
): Promise<{ readonly facts: WorktreeFacts; readonly cwd: string }> {
  const repository = await repositoryOf(directory);
  const inside = relative(await realpath(repository), await realpath(directory));
  await privateDirectory(root);
  const facts = before ?? {
    repository,
    path: join(root, mission),
    branch: branchOf(mission),
    base: (await git(repository, ['rev-parse', 'HEAD'])).trim(),
  };
  if (!(await isWorktree(facts))) {
    await git(repository, ['worktree', 'prune']);
    const exists = await git(repository, ['rev-parse', '--verify', '--quiet', `refs/heads/${facts.branch}`]).then(
      () => true,
      () => false,
    );
    const how = exists ? [facts.path, facts.branch] : ['-b', facts.branch, facts.path, facts.base];
    await git(repository, ['worktree', 'add', '--quiet', ...how], ADD_TIMEOUT_MS);
  }
  return { facts, cwd: inside === '' ? facts.path : join(facts.path, inside) };
}

/** The branch of a mission's worktree. */
export function branchOf(mission: string): string {
  return `intercom/${mission.slice(-10).toLowerCase()}`;
}

/** What changed in it since it was made: committed, not committed, and new files. */
export async function lookAtWorktree(facts: WorktreeFacts): Promise<WorktreeState> {
  if (!(await isWorktree(facts))) {
    return { clean: true, report: { branch: facts.branch, worktreeKept: false } };
  }
  // Intent to add shows new files in the diff and changes nothing of theirs.
  await git(facts.path, ['add', '--intent-to-add', '.']).catch(() => '');
  const status = await git(facts.path, ['status', '--porcelain']);
  const head = (await git(facts.path, ['rev-parse', 'HEAD'])).trim();
  const plain = ['--no-ext-diff', '--no-textconv', '--no-color'];
  const stat = await git(facts.path, ['diff', ...plain, '--stat=120', facts.base]);
  const diff = await git(facts.path, ['diff', ...plain, facts.base]);
  const clean = status.trim() === '' && head === facts.base;
  return {
    clean,
    report: {
      branch: facts.branch,
      worktreeKept: true,
      ...(stat.trim() === '' ? {} : { diffStat: cut(stat, STAT_MAX) }),
      ...(diff.trim() === '' ? {} : { diff: cut(diff, DIFF_MAX) }),
    },
  };
}

/** Removes it and its branch; git itself refuses where there is something to lose. False: it is still there. */
export async function removeWorktree(facts: WorktreeFacts): Promise<boolean> {
  try {
    if ((await isWorktree(facts)) && !(await lookAtWorktree(facts)).clean) return false;
    await git(facts.repository, ['worktree', 'remove', facts.path]).catch(() =>
      git(facts.repository, ['worktree', 'prune']),
    );
    const branch = await git(facts.repository, [
      'rev-parse',
      '--verify',
      '--quiet',
      `refs/heads/${facts.branch}`,
    ]).catch(() => '');
    // The same commit as at the beginning: there is nothing on it.
    if (branch.trim() === facts.base) await git(facts.repository, ['branch', '-D', facts.branch]);
    return !(await isWorktree(facts));
  } catch {
    return false;
  }
}

async function isWorktree(facts: WorktreeFacts): Promise<boolean> {
  const top = await git(facts.path, ['rev-parse', '--show-toplevel']).catch(() => '');
  return top.trim() !== '' && (await realpath(top.trim())) === (await realpath(facts.path).catch(() => ''));
}

async function git(cwd: string, args: readonly string[], timeout = GIT_TIMEOUT_MS): Promise<string> {
  const guards = ['-c', 'core.hooksPath=/dev/null', '-c', 'core.fsmonitor=false', '-c', 'commit.gpgSign=false'];
  const result = await execa('git', [...guards, ...args], {
    cwd,
    timeout,
    reject: false,
    stdin: 'ignore',
    stripFinalNewline: false,
    maxBuffer: 4 * 1024 * 1024,
    extendEnv: false,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      LC_ALL: 'C',
      GIT_TERMINAL_PROMPT: '0',
      GIT_OPTIONAL_LOCKS: '0',
      GIT_PAGER: 'cat',
    },
  });
  if (result.code === 'ENOENT') {
    throw new IntercomError('failed', `git cannot be started in ${cwd}.`, {
      next: 'Install git, or ask for the mission without isolation.',
      cause: result,
    });
  }
  // What is longer than is kept was cut off; that is no failure.
  if (result.isMaxBuffer) return result.stdout;
  if (result.failed) throw new Error(`git ${args[0] ?? ''} failed: ${result.stderr.slice(0, 500)}`);
  return result.stdout;
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 40)}\n… (cut; the branch has it all)\n`;
}
