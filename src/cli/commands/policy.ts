/** intercom policy test|check|list|grants|revoke */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { z } from 'zod';
import { IntercomError } from '../../protocol/errors.ts';
import type { Grant, PolicyVerdict } from '../../protocol/model.ts';
import type { PolicyTest, PolicyView } from '../../protocol/operator-api.ts';
import { load } from '../clients/config.ts';
import { asOperator, localDaemon } from '../clients/connect.ts';
import type { Context } from '../io.ts';
import { printJson } from '../print/json.ts';
import { safe, styleFor } from '../print/style.ts';
import type { Style } from '../print/style.ts';
import { table } from '../print/table.ts';
import { relative } from '../print/time.ts';
import { plural } from '../print/words.ts';

interface Json {
  readonly json?: true;
}
type TestType = 'send' | 'ask' | 'chat' | 'reply' | 'start_agent' | 'tool';
interface TestOptions extends Json {
  readonly from?: string;
  readonly to?: string;
  readonly type: TestType;
  readonly tool?: string;
  readonly message?: string;
  readonly thread?: string;
}

export function define(program: Command, context: () => Context): void {
  const policy = program.command('policy').description('The rules that decide who is asked about what.');
  policy
    .command('test')
    .description('Explain what would happen to a message, a launch or a tool, and which rule or grant decides.')
    .argument('[text...]', 'the message, or the input of the tool')
    .option('--from <address>', 'who sends; of a tool: who wants to use it (default: the agent of this directory)')
    .option('--to <address>', 'who would get it (a tool: left out)')
    .addOption(
      new Option('--type <type>', 'what it is')
        .choices(['send', 'ask', 'chat', 'reply', 'start_agent', 'tool'])
        .default('send'),
    )
    .option('--tool <name>', 'the name of the tool, like Bash; says that it is about a tool')
    .option('--message <text>', 'the same as the text behind the options')
    .option('--thread <id>', 'in this thread')
    .option('--json', 'the result as JSON')
    .action((words: string[], options: TestOptions) => test(context(), words, options));
  policy
    .command('check')
    .description('Read a policy file and name its faults; exit code 2 when there is one. No hub is needed.')
    .argument('[file]', 'default: policies.yml beside the configuration')
    .option('--json', 'the result as JSON')
    .action((file: string | undefined, options: Json) => check(context(), file, options.json === true));
  policy
    .command('list', { isDefault: true })
    .description('The rules as the hub uses them now.')
    .option('--json', 'as JSON')
    .action(async (options: Json) => {
      const given = context();
      const view = await asOperator(given, (hub) => hub.policy());
      if (options.json === true) printJson(given.io, view);
      else given.io.out(rules(given, view));
    });
  policy
    .command('grants')
    .description('Decisions that answer later approvals.')
    .option('--json', 'as JSON')
    .action(async (options: Json) => {
      const given = context();
      const page = await asOperator(given, (hub) => hub.grants());
      if (options.json === true) printJson(given.io, page);
      else given.io.out(grants(given, page.grants));
    });
  policy
    .command('revoke')
    .description('Take a grant back.')
    .argument('<id>', 'the grant (grn_…)')
    .option('--json', 'the result as JSON')
    .action(async (id: string, options: Json) => {
      const given = context();
      const grant = await asOperator(given, (hub) => hub.revokeGrant(id));
      if (options.json === true) printJson(given.io, grant);
      else
        given.io.out(
          `${styleFor(given.io.colour).green('✓')} ${safe(grant.from)} → ${safe(grant.to)} is asked about again.\n`,
        );
    });
}

async function test(context: Context, words: readonly string[], options: TestOptions): Promise<void> {
  const { io } = context;
  const question = await testOf(context, words, options);
  const verdict = await asOperator(context, (hub) => hub.testPolicy(question));
  if (options.json === true) {
    printJson(io, verdict);
    return;
  }
  const style = styleFor(io.colour);
  const what = question.tool === undefined ? '' : `${style.bold(safe(question.tool))} by ${safe(question.from)} `;
  io.out(`${what}${outcome(verdict, style)}  ${style.dim('by')} ${safe(verdict.rule)}\n\n`);
  for (const step of verdict.steps) io.out(`  ${style.dim(safe(step))}\n`);
}

async function testOf(
  context: Context,
  words: readonly string[],
  options: TestOptions,
): Promise<z.input<typeof PolicyTest>> {
  const { tool, thread } = options;
  const type = tool === undefined ? options.type : 'tool';
  if (type === 'tool' && tool === undefined) throw missing('tool', 'Which tool', '--tool Bash');
  const from = options.from ?? (type === 'tool' ? await agentHere(context) : undefined);
  if (from === undefined)
    throw missing('from', type === 'tool' ? 'Who wants to use it' : 'Who sends', '--from machine/project');
  // For a tool, both are the agent that asks.
  const to = options.to ?? (type === 'tool' ? from.split('#')[0] : undefined);
  if (to === undefined) throw missing('to', 'Who would get it', '--to machine/project');
  return {
    from,
    to,
    type,
    message: options.message ?? words.join(' '),
    ...(tool === undefined ? {} : { tool }),
    ...(thread === undefined ? {} : { threadId: thread }),
  };
}

function missing(field: string, what: string, add: string): IntercomError {
  return new IntercomError('invalid_request', `${what} is missing.`, { field, next: `Add ${add}.` });
}

/** The agent of this directory, as the daemon of this machine names it. */
async function agentHere(context: Context): Promise<string | undefined> {
  return localDaemon(context)
    .whoami()
    .then(
      ({ address }) => address,
      () => undefined,
    );
}

function outcome(verdict: PolicyVerdict, style: Style): string {
  if (verdict.outcome === 'allow') return style.green('passes without asking');
  return verdict.outcome === 'deny' ? style.red('is denied') : style.yellow('asks a person');
}

async function check(context: Context, file: string | undefined, json: boolean): Promise<void> {
  const { io, paths } = context;
  const { parsePolicyFile, policyFaultLine } = await import('../../hub/approvals/policy-file.ts');
  const path = file ?? (await load(context)).config.hub.policyFile ?? paths.policyFile;
  const text = await read(path);
  const result = parsePolicyFile(text, basename(path));
  const faults = result.ok ? [] : result.faults;
  const warnings = result.ok ? result.warnings : [];
  if (!result.ok) context.exit(2);
  if (json) {
    printJson(io, { file: path, ok: result.ok, faults, warnings });
    return;
  }
  const style = styleFor(io.colour);
  for (const fault of faults) io.out(`${style.red('fault')}    ${safe(policyFaultLine(basename(path), fault))}\n`);
  for (const warning of warnings) io.out(`${style.yellow('warning')}  ${safe(warning)}\n`);
  if (result.ok)
    io.out(
      `${style.green('✓')} ${path} is good: ${plural(result.rules.rules.length, 'rule')}, else "${result.rules.default}".\n`,
    );
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new IntercomError('invalid_config', `The policy file ${path} cannot be read.`, {
      next: 'Without one, every message between agents asks. config/policies.example.yml of the package is a start.',
      cause,
    });
  }
}

function rules({ io }: Context, view: PolicyView): string {
  const style = styleFor(io.colour);
  const fault =
    view.fault === undefined
      ? ''
      : `${style.red('The file on disk is faulty; the last good rules hold:')} ${safe(view.fault)}\n`;
  const head = style.dim(
    `${view.file === undefined ? 'no policy file: the built-in rules hold' : safe(view.file)}, read ${relative(view.loadedAt, io.now())}; else: ${view.default}\n`,
  );
  const warnings = view.warnings.map((warning) => `${style.yellow('warning')} ${safe(warning)}\n`).join('');
  if (view.rules.length === 0) return `${fault}${head}${warnings}`;
  const columns = [
    { title: '#', right: true },
    { title: 'FROM', flexible: true, middle: true },
    { title: 'TO', flexible: true, middle: true },
    { title: 'TYPE', flexible: true },
    { title: 'APPROVAL', paint: style.bold },
    { title: 'MORE', flexible: true, paint: style.dim },
  ];
  const rows = view.rules.map((rule) => {
    const more = [
      rule.label,
      rule.messagePattern === undefined ? '' : `text /${rule.messagePattern}/`,
      rule.project === undefined ? '' : `project ${rule.project}`,
      rule.tool === undefined ? '' : `tool ${rule.tool}`,
    ];
    return [
      String(rule.index),
      rule.from,
      rule.to,
      rule.type,
      rule.approval,
      more.filter((one) => one !== '').join(', '),
    ];
  });
  return `${fault}${head}${warnings}\n${table(columns, rows, io.columns, style)}`;
}

function grants({ io }: Context, list: readonly Grant[]): string {
  if (list.length === 0) return 'No grants. Allow with --scope session or always gives one.\n';
  const style = styleFor(io.colour);
  const columns = [
    { title: 'GRANT' },
    { title: 'FROM', flexible: true, middle: true },
    { title: 'TO', flexible: true, middle: true },
    { title: 'COVERS' },
    { title: 'SCOPE' },
    { title: 'USED', right: true },
    { title: 'ENDS', flexible: true, paint: style.dim },
  ];
  const rows = list.map((grant) => [
    grant.id,
    grant.from,
    grant.to,
    grant.covers,
    grant.scope,
    String(grant.uses),
    grant.revokedAt !== undefined
      ? 'revoked'
      : grant.expiresAt === undefined
        ? ''
        : relative(grant.expiresAt, io.now()),
  ]);
  return table(columns, rows, Math.max(io.columns, 100), style);
}
