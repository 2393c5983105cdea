/** intercom join [hub-url]: makes this machine part of a mesh. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { Config } from '../../config/config.ts';
import { editConfigFile } from '../../config/edit.ts';
import type { ConfigEdit } from '../../config/edit.ts';
import { isMachineId } from '../../protocol/address.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { tailnet } from '../../platform/tailscale.ts';
import { load } from '../clients/config.ts';
import { originOf } from '../clients/operator-client.ts';
import type { Context } from '../io.ts';
import { askHub } from '../join/ask-hub.ts';
import { discoverHubs, onlyHub } from '../join/discover.ts';
import { addressToward, daemonAddress } from '../join/own-address.ts';
import { printJson } from '../print/json.ts';
import { safe, styleFor } from '../print/style.ts';
import { relative } from '../print/time.ts';
import { requirePerson } from '../agent-environment.ts';

interface JoinOptions {
  readonly id?: string;
  readonly name?: string;
  readonly daemonUrl?: string;
  readonly json?: true;
}

const NEW_FILE = '# Written by `intercom join`. `intercom config show` shows everything that holds.\n';

export function define(program: Command, context: () => Context): void {
  program
    .command('join')
    .description('Make this machine part of a mesh: a person at the hub compares a code and allows it.')
    .argument('[hub-url]', 'the hub; without it, the machines of the tailnet are asked')
    .option('--id <machine>', 'id of this machine in addresses (default: machine.id, or the host name)')
    .option('--name <text>', 'its name for people')
    .addOption(
      new Option('--daemon-url <url>', "how the hub reaches this machine's daemon, when it cannot be worked out"),
    )
    .option('--json', 'the result as JSON')
    .action((url: string | undefined, options: JoinOptions) => join(context(), url, options));
}

async function join(context: Context, url: string | undefined, options: JoinOptions): Promise<void> {
  const { io, paths } = context;
  requirePerson(io);
  const style = styleFor(io.colour);
  const { config } = await load(context);
  const machineId = options.id ?? config.machine.id;
  if (!isMachineId(machineId)) {
    throw new IntercomError('invalid_request', `"${safe(machineId.slice(0, 80))}" cannot be the id of a machine.`, {
      next: 'Use letters, digits, ".", "_" and "-"; at most 64.',
    });
  }
  const { hubUrl, daemonUrl, listenAlso } = await places(context, config, url, options.daemonUrl);
  const joined = await askHub({
    hubUrl,
    machineId,
    displayName: options.name ?? (options.id === undefined ? config.machine.displayName : machineId),
    daemonUrl,
    signal: io.signal,
    onCode: (code, expiresAt) => {
      io.err(`\n  ${style.bold(code)}   ${style.dim(`${machineId} asks to join ${hubUrl}`)}\n\n`);
      io.err('Compare this code with the one at the hub, and allow it there: on the web page, in Telegram,\n');
      io.err(
        `or with \`intercom machines approve ${code}\`. ${style.dim(`The request ends ${relative(expiresAt, io.now())}.`)}\n`,
      );
    },
    onWaiting: () => io.err(style.dim(io.tty ? '.' : '')),
    pause: (ms) => sleep(ms, undefined, { signal: io.signal }),
  });
  const file = context.configFile ?? paths.configFile;
  const edits: ConfigEdit[] = [
    { path: ['machine', 'id'], value: machineId },
    { path: ['hub', 'url'], value: hubUrl },
    { path: ['auth', 'token'], value: joined.secret },
    ...(options.name === undefined ? [] : [{ path: ['machine', 'display_name'], value: options.name }]),
    ...(listenAlso === undefined
      ? []
      : [{ path: ['hub', 'daemon_listen'], value: [...config.hub.daemonListen, listenAlso] }]),
  ];
  await editConfigFile(file, edits, `${NEW_FILE}mode: daemon\n`);
  if (options.json === true) {
    printJson(io, { machineId, hubUrl, daemonUrl, approvedBy: joined.approvedBy, file });
    return;
  }
  io.out(
    `\n${style.green('✓')} ${style.bold(machineId)} is part of the mesh, allowed by ${safe(joined.approvedBy)}. Written to ${file}.\n`,
  );
  if (listenAlso !== undefined)
    io.out(
      style.dim(`  The daemon will listen on ${listenAlso} as well (hub.daemon_listen), so that the hub reaches it.\n`),
    );
  io.out(
    `\nNext:  ${style.cyan('intercom hooks install')}  ${style.dim('so that Claude Code here hears of its mail')}\n`,
  );
  io.out(`       ${style.cyan('intercom daemon')}         ${style.dim('starts it (restart it if it runs already)')}\n`);
}

interface Places {
  readonly hubUrl: string;
  readonly daemonUrl: string;
  readonly listenAlso: string | undefined;
}

async function places(
  context: Context,
  config: Config,
  given: string | undefined,
  daemonUrl: string | undefined,
): Promise<Places> {
  const { io } = context;
  const known = given ?? config.hub.url;
  const net = known !== undefined && config.machine.tailscaleIp !== undefined ? undefined : await tailnet();
  let hubUrl = known === undefined ? undefined : originOf(known);
  if (hubUrl === undefined) {
    io.err('Looking for a hub on the tailnet …\n');
    const empty = { state: 'unknown', self: undefined, peers: [] } as const;
    const hub = onlyHub(await discoverHubs(net ?? empty, config.hub.port), net ?? empty);
    io.err(`Found ${safe(hub.name)} at ${hub.url}.\n`);
    hubUrl = hub.url;
  }
  if (daemonUrl !== undefined) return { hubUrl, daemonUrl: originOf(daemonUrl), listenAlso: undefined };
  const { hostname, port } = new URL(hubUrl);
  const host = hostname.replace(/^\[|\]$/g, '');
  try {
    const toward = await addressToward(host, Number(port === '' ? 80 : port));
    const own = daemonAddress(config, toward, config.machine.tailscaleIp ?? net?.self?.ips[0]);
    return { hubUrl, daemonUrl: own.url, listenAlso: own.notListening ? toward : undefined };
  } catch (cause) {
    throw new IntercomError('unreachable', `There is no way from here to ${host}.`, {
      next: 'Check the address and the network; `--daemon-url` says how the hub reaches this machine.',
      cause,
    });
  }
}
