/** Checks of this machine that need nobody to answer: Node, configuration, files, disk, Tailscale, hooks. */
import { stat, statfs } from 'node:fs/promises';
import type { Loaded } from '../../config/load.ts';
import { hooksStatus } from '../../daemon/agents/claude/install.ts';
import { readableByOthers } from '../../platform/files.ts';
import { tailnet } from '../../platform/tailscale.ts';
import { toIntercomError } from '../../protocol/errors.ts';
import { load } from '../clients/config.ts';
import { claudePlaces } from '../hooks/claude-places.ts';
import type { Context } from '../io.ts';
import { bytes } from '../print/time.ts';
import { fail, ok, skipped, warn } from './check.ts';
import type { Finding } from './check.ts';

/** Below the first number a warning, below the second nothing works for long. Bytes. */
const DISK_LOW = 1024 ** 3;
const DISK_OUT = 100 * 1024 ** 2;

export function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return ok('Node.js', process.versions.node);
  return fail('Node.js', `${process.versions.node} is too old`, 'Install Node.js 20.19 or newer.');
}

export async function checkConfiguration(
  context: Context,
): Promise<{ findings: Finding[]; loaded: Loaded | undefined }> {
  try {
    const loaded = await load(context);
    const where = loaded.file ?? `no file; defaults (${loaded.config.mode}, machine ${loaded.config.machine.id})`;
    if (loaded.warnings.length === 0) return { findings: [ok('configuration', where)], loaded };
    const count = `${loaded.warnings.length} warning${loaded.warnings.length === 1 ? '' : 's'}`;
    return { findings: [warn('configuration', `${where}: ${count}`, '`intercom config check` lists them.')], loaded };
  } catch (thrown) {
    const error = toIntercomError(thrown);
    return {
      findings: [fail('configuration', error.message, error.next ?? '`intercom config check` lists every fault.')],
      loaded: undefined,
    };
  }
}

export async function checkFiles({ paths }: Context): Promise<Finding> {
  const secrets = [
    paths.hubKey,
    paths.daemonKey,
    paths.daemonKeyHeader,
    paths.loginFile,
    paths.hubDatabase,
    paths.daemonDatabase,
  ];
  const open: string[] = [];
  let present = 0;
  for (const path of [...secrets, paths.state]) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) continue;
    present += 1;
    if (await readableByOthers(path)) open.push(path);
  }
  if (open.length > 0) return fail('permissions', `others can read ${open.join(', ')}`, `chmod go= ${open.join(' ')}`);
  return present === 0
    ? skipped('permissions', 'nothing was written yet')
    : ok('permissions', `only you can read ${paths.state}`);
}

export async function checkDisk({ paths, io }: Context): Promise<Finding> {
  for (const path of [paths.state, io.home]) {
    const space = await statfs(path).catch(() => undefined);
    if (space === undefined) continue;
    const free = space.bavail * space.bsize;
    if (free < DISK_OUT)
      return fail('disk', `only ${bytes(free)} are free`, 'Make room; without it messages are refused.');
    if (free < DISK_LOW) return warn('disk', `${bytes(free)} are free`, 'Make room before it is full.');
    return ok('disk', `${bytes(free)} free`);
  }
  return skipped('disk', 'the free space cannot be read');
}

export async function checkTailscale(): Promise<Finding> {
  const net = await tailnet();
  if (net.state === 'running')
    return ok('Tailscale', `${net.self?.ips[0] ?? 'no address'}, ${net.peers.length} other machines`);
  if (net.state === 'absent') return skipped('Tailscale', 'not installed; needed only for several machines');
  if (net.state === 'stopped')
    return warn(
      'Tailscale',
      'installed, but not connected',
      'Run `tailscale up`, if other machines belong to the mesh.',
    );
  return warn('Tailscale', 'it gives no usable answer', 'Look at `tailscale status`.');
}

export async function checkHooks(context: Context): Promise<Finding> {
  try {
    const status = await hooksStatus(claudePlaces(context));
    const next = 'Run `intercom hooks install`.';
    if (status.state === 'installed') return ok('Claude Code hooks', 'installed and current');
    if (status.state === 'absent')
      return warn('Claude Code hooks', 'not installed: sessions get their mail late, and proofs are slower', next);
    const bad = status.parts.filter((part) => !part.ok).map((part) => part.name);
    return warn('Claude Code hooks', `not complete or not current: ${bad.join(', ')}`, next);
  } catch (thrown) {
    const error = toIntercomError(thrown);
    return fail('Claude Code hooks', error.message, error.next ?? 'Look into ~/.claude/settings.json.');
  }
}
