/** Checks that ask the daemon of this machine and, for a person, the hub. */
import { IntercomError, toIntercomError } from '../../protocol/errors.ts';
import type { LocalStatus } from '../../protocol/local-api.ts';
import type { Machine } from '../../protocol/model.ts';
import type { HubStatus } from '../../protocol/operator-api.ts';
import { VERSION } from '../../platform/package.ts';
import { asOperator, localDaemon } from '../clients/connect.ts';
import type { Context } from '../io.ts';
import { plural } from '../print/words.ts';
import { fail, ok, skipped, warn } from './check.ts';
import type { Finding } from './check.ts';

/** Hub and daemon look again by themselves every few seconds. */
const ROOM_NEXT = 'Make room on its disk; it goes on by itself.';

/** A request is refused beyond 60 s of difference; from here on it is worth a word. Seconds. */
const SKEW_WARN = 10;

export async function checkDaemon(context: Context, mode: string): Promise<Finding[]> {
  let status: LocalStatus;
  try {
    status = await localDaemon(context).status();
  } catch (thrown) {
    const error = toIntercomError(thrown);
    if (mode === 'hub') return [skipped('daemon', 'none runs here; this machine is configured as a hub')];
    return [fail('daemon', error.message, error.next ?? 'Start it with `intercom daemon`.')];
  }
  return [
    checkVersion('daemon', status.version),
    checkLink(status),
    ...(status.storeProblem === undefined ? [] : [fail('store', status.storeProblem, ROOM_NEXT)]),
    ...checkSessions(status),
    ...checkHookCalls(status),
  ];
}

function checkVersion(name: string, version: string): Finding {
  if (version === VERSION) return ok(name, `runs, version ${version}`);
  return warn(name, `runs version ${version}, this program is ${VERSION}`, `Restart the ${name}.`);
}

function checkLink({ hub }: LocalStatus): Finding {
  const problem = hub.problem === undefined ? '' : `: ${hub.problem}`;
  switch (hub.state) {
    case 'online':
      return ok('link to the hub', hub.url);
    case 'not_joined':
      return fail('link to the hub', 'this machine belongs to no mesh yet', 'Run `intercom join`.');
    case 'revoked':
      return fail(
        'link to the hub',
        `the hub has revoked this machine${problem}`,
        'Ask who runs the hub; then `intercom join` again.',
      );
    case 'refused':
      return fail(
        'link to the hub',
        `the hub refuses this machine${problem}`,
        'Set the clock right, or renew the secret with `intercom join`.',
      );
    case 'unreachable':
      return fail(
        'link to the hub',
        `${hub.url} cannot be reached${problem}`,
        'Is the hub running, and this machine on its network? Mail waits here meanwhile.',
      );
  }
}

function checkHookCalls({ hooks }: LocalStatus): Finding[] {
  if (hooks === undefined || hooks.tooLarge + hooks.failed === 0) return [];
  const { tooLarge, failed, last } = hooks;
  const which = last === undefined ? '' : `; the last: ${last.agent} ${last.event}, ${last.at}`;
  if (failed > 0) {
    const text = `${plural(failed, 'hook call')} failed in the daemon${which}`;
    return [warn('hook calls', text, "Look for 'a hook failed' in the daemon's log, and report it.")];
  }
  return [
    warn(
      'hook calls',
      `${plural(tooLarge, 'hook call')} ${tooLarge === 1 ? 'was' : 'were'} larger than 1 MiB and not read${which}`,
      'The agent is not harmed; mail for it comes with its next hook. Let it keep large output in files.',
    ),
  ];
}

function checkSessions({ sessions }: LocalStatus): Finding[] {
  const live = sessions.filter((session) => session.state !== 'ended');
  if (live.length === 0) return [skipped('sessions', 'no agent session runs now')];
  const poor = live.filter((session) => session.rungNote !== undefined || session.rung === 'none');
  const versions = [...new Set(live.map((session) => `${session.agent} ${session.agentVersion ?? ''}`.trim()))].join(
    ', ',
  );
  const good = ok('sessions', `${plural(live.length, 'session')} (${versions})`);
  const notes = poor
    .slice(0, 5)
    .map((session) =>
      warn(
        `session #${session.id.slice(0, 8)}`,
        session.rungNote ?? 'there is no way to get mail into it',
        'It still gets its mail when it asks (intercom_check_inbox).',
      ),
    );
  return [good, ...notes];
}

export async function checkHub(context: Context, mode: string, machineId: string | undefined): Promise<Finding[]> {
  try {
    const { status, machines } = await asOperator(context, async (hub) => ({
      status: await hub.status(),
      ...(await hub.machines()),
    }));
    return [
      checkVersion('hub', status.version),
      ...checkClock(machines, machineId),
      checkTelegram(status),
      status.store.state === 'ok'
        ? ok('store', status.store.path)
        : fail('store', status.store.problem ?? 'degraded', ROOM_NEXT),
      ...status.notices
        .filter(
          (notice) => notice.clearedAt === undefined && notice.level !== 'info' && !notice.key.startsWith('telegram'),
        )
        .map((notice) => warn(notice.key, notice.text, notice.next ?? 'See `intercom status`.')),
    ];
  } catch (thrown) {
    const error = thrown instanceof IntercomError ? thrown : toIntercomError(thrown);
    if (error.code === 'forbidden') return [skipped('hub', 'an agent runs this; only the person may ask the hub')];
    const next = error.next ?? 'Start it with `intercom standalone`.';
    if (mode === 'daemon') return [skipped('hub', `not asked: ${error.message}`)];
    return [fail('hub', error.message, next)];
  }
}

function checkClock(machines: readonly Machine[], machineId: string | undefined): Finding[] {
  const offset = machines.find((machine) => machine.id === machineId)?.clockOffsetSeconds;
  if (offset === undefined) return [];
  const size = Math.abs(Math.round(offset));
  if (size < SKEW_WARN) return [ok('clock', 'agrees with the hub')];
  return [
    warn(
      'clock',
      `differs from the hub by ${size} s; beyond 60 s requests are refused`,
      'Turn on time synchronisation.',
    ),
  ];
}

function checkTelegram({ telegram }: HubStatus): Finding {
  const problem = telegram.problem ?? 'no reason given';
  switch (telegram.state) {
    case 'off':
      return skipped('Telegram', 'not configured (optional)');
    case 'online':
      return ok('Telegram', `online${telegram.bot === undefined ? '' : ` as @${telegram.bot.replace(/^@/, '')}`}`);
    case 'starting':
      return warn('Telegram', 'still starting', 'Try again in a moment.');
    case 'degraded':
      return warn('Telegram', problem, 'The hub goes on without it; the web page and the command line work.');
    case 'refused':
      return fail('Telegram', problem, 'Correct telegram.* in the configuration, then restart the hub.');
  }
}
