/** intercom login: signs this terminal in to a hub; --link makes a one-time sign-in link for a browser. */
import { mkdir, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { errorCode, replaceFile } from '../../platform/files.ts';
import { bearer, JsonClient } from '../../platform/http/client.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { Ok } from '../../protocol/machine-api.ts';
import { TokenIssued } from '../../protocol/operator-api.ts';
import { requirePerson } from '../agent-environment.ts';
import { asOperator } from '../clients/connect.ts';
import { originOf, readLogin } from '../clients/operator-client.ts';
import type { LoginFile } from '../clients/operator-client.ts';
import type { Context } from '../io.ts';
import { printJson } from '../print/json.ts';
import { safe, styleFor } from '../print/style.ts';
import { relative } from '../print/time.ts';

interface LoginOptions {
  readonly link?: true;
  readonly out?: true;
  readonly json?: true;
}

export function define(program: Command, context: () => Context): void {
  program
    .command('login')
    .description('Sign this terminal in to a hub elsewhere. You are asked for a sign-in link or its code.')
    .argument('[hub-url]', 'the hub, like http://100.64.0.1:7700; a pasted link names it too')
    .option('--link', 'make a one-time sign-in link for a browser or another terminal')
    .option('--out', 'sign out and forget the token')
    .option('--json', 'the result as JSON')
    .action((url: string | undefined, options: LoginOptions) => {
      const given = context();
      requirePerson(given.io);
      if (options.link === true) return makeLink(given, options);
      return options.out === true ? signOut(given) : signIn(given, url, options);
    });
}

async function makeLink(context: Context, options: LoginOptions): Promise<void> {
  const { io } = context;
  const link = await asOperator(context, (hub) => hub.signInLink());
  if (options.json === true) {
    printJson(io, link);
    return;
  }
  const style = styleFor(io.colour);
  io.out(
    `${style.bold(link.url)}\n${style.dim(`Good for one sign-in, ends ${relative(link.expiresAt, io.now())}. Give it to nobody else.`)}\n`,
  );
}

async function signIn(context: Context, url: string | undefined, options: LoginOptions): Promise<void> {
  const { io, paths } = context;
  if (url?.includes('#') === true) {
    throw new IntercomError('invalid_request', 'A sign-in link is a secret, and other users can read command lines.', {
      next: 'Run `intercom login` alone and paste the link when it asks.',
    });
  }
  const pasted = io.interactive
    ? await io.ask('Paste the sign-in link (from `intercom login --link` at the hub, or Telegram) or its code: ', {
        hidden: true,
      })
    : await io.readInput(2000);
  const { hub, code } = readPasted(pasted?.trim() ?? '', url);
  const client = new JsonClient({
    origin: hub,
    peer: `the hub at ${hub}`,
    unreachableNext: 'Check the address, and that the hub runs.',
  });
  try {
    const issued = await client.call({ method: 'POST', path: '/api/operator/login', body: { code } }, TokenIssued);
    const login: LoginFile = { hub, ...issued };
    await mkdir(dirname(paths.loginFile), { recursive: true, mode: 0o700 });
    await replaceFile(paths.loginFile, `${JSON.stringify(login)}\n`);
    if (options.json === true) printJson(io, { hub, operator: issued.operator, expiresAt: issued.expiresAt });
    else
      io.out(
        `${styleFor(io.colour).green('✓')} Signed in to ${hub} as ${safe(issued.operator.name)} (${issued.operator.role}).\n`,
      );
  } finally {
    await client.close();
  }
}

/** A link with the code behind its `#`, or the code alone when the hub was named. */
function readPasted(pasted: string, url: string | undefined): { hub: string; code: string } {
  const [address = '', fragment] = pasted.split('#');
  const code = fragment === undefined ? pasted : decode(fragment.split('/').at(-1) ?? '');
  const named = url ?? (fragment === undefined ? undefined : address);
  if (named === undefined || named === '') {
    throw new IntercomError('invalid_request', 'Which hub is not known.', {
      next: 'Paste the whole link, or run `intercom login <hub-url>`.',
    });
  }
  if (!/^[A-Za-z0-9_-]{8,100}$/.test(code)) {
    throw new IntercomError('invalid_request', 'That is neither a sign-in link nor a code.', {
      next: 'Make one at the hub with `intercom login --link`.',
    });
  }
  return { hub: originOf(named), code };
}

async function signOut({ io, paths }: Context): Promise<void> {
  const login = await readLogin(paths);
  if (login === undefined) {
    io.out('You were not signed in.\n');
    return;
  }
  const client = new JsonClient({
    origin: login.hub,
    authorize: bearer(() => login.token),
    peer: 'the hub',
    unreachableNext: '',
  });
  const told = await client.call({ method: 'POST', path: '/api/operator/sign-out' }, Ok).then(
    () => true,
    () => false,
  );
  await client.close();
  await unlink(paths.loginFile).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error;
  });
  io.out(
    told
      ? 'Signed out.\n'
      : `The token is forgotten here; ${login.hub} could not be told and drops it when it expires.\n`,
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
