/** Every command: its name, one line about it, and the file that defines it. The top help is drawn from this; nothing else is loaded for it. */
import type { Command } from 'commander';
import { ENVIRONMENT } from '../config/env.ts';
import type { Context } from './io.ts';
import type { Style } from './print/style.ts';

export interface CommandModule {
  /** Adds the commands of this file to the program; `context` is asked when one of them runs. */
  readonly define: (program: Command, context: () => Context) => void;
}

export interface CommandFacts {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

const run = (): Promise<CommandModule> => import('./commands/run.ts');
const talk = (): Promise<CommandModule> => import('./commands/talk.ts');

const GROUPS: readonly { readonly title: string; readonly commands: readonly CommandFacts[] }[] = [
  {
    title: 'Start',
    commands: [
      { name: 'standalone', summary: 'hub and daemon in one process: all that one machine needs', load: run },
      { name: 'hub', summary: 'the hub alone; one per mesh', load: run },
      { name: 'daemon', summary: 'the daemon alone; one per machine', load: run },
      {
        name: 'demo',
        summary: 'two small agents talk, to see how it works',
        load: () => import('./commands/demo.ts'),
      },
    ],
  },
  {
    title: 'Set up',
    commands: [
      { name: 'init', summary: 'write a commented configuration, by asking', load: () => import('./commands/init.ts') },
      { name: 'join', summary: 'make this machine part of a mesh', load: () => import('./commands/join.ts') },
      {
        name: 'hooks',
        summary: 'install or remove what agents need to hear of their mail',
        load: () => import('./commands/hooks.ts'),
      },
      {
        name: 'login',
        summary: 'sign in to a hub from here; --link makes a sign-in link',
        load: () => import('./commands/login.ts'),
      },
      { name: 'config', summary: 'check the configuration, or show it', load: () => import('./commands/config.ts') },
      {
        name: 'doctor',
        summary: 'look for what is wrong, and say what to do',
        load: () => import('./commands/doctor.ts'),
      },
    ],
  },
  {
    title: 'Talk',
    commands: [
      {
        name: 'run',
        summary: 'run an agent in this terminal, within reach of the others',
        load: () => import('./commands/run-agent.ts'),
      },
      {
        name: 'attach',
        summary: "watch a session's terminal; --take to type",
        load: () => import('./commands/attach.ts'),
      },
      { name: 'agents', summary: 'who can be reached', load: () => import('./commands/agents.ts') },
      {
        name: 'sessions',
        summary: 'the agent sessions that run now; show looks at one',
        load: () => import('./commands/sessions.ts'),
      },
      {
        name: 'missions',
        summary: 'give agents work: start, watch, speak to, pause, resume, end',
        load: () => import('./commands/missions.ts'),
      },
      { name: 'send', summary: 'send a message to an agent', load: talk },
      { name: 'ask', summary: 'ask an agent and wait for the answer', load: talk },
      { name: 'chat', summary: 'open a conversation, or go on with one', load: talk },
      { name: 'inbox', summary: 'what was written to you', load: () => import('./commands/inbox.ts') },
      {
        name: 'trace',
        summary: "a message's whole way, with times, places and proofs",
        load: () => import('./commands/trace.ts'),
      },
    ],
  },
  {
    title: 'Decide',
    commands: [
      {
        name: 'attention',
        summary: 'which sessions wait for you; --watch to answer them',
        load: () => import('./commands/attention.ts'),
      },
      {
        name: 'approvals',
        summary: 'what waits for you: list, show, allow, deny, answer',
        load: () => import('./commands/approvals.ts'),
      },
      {
        name: 'policy',
        summary: 'the rules, and what they say about a message',
        load: () => import('./commands/policy.ts'),
      },
      {
        name: 'preferences',
        summary: 'what may ring for you, when, and where',
        load: () => import('./commands/preferences.ts'),
      },
      {
        name: 'machines',
        summary: 'the machines: approve, deny, rename, rotate, revoke, remove',
        load: () => import('./commands/machines.ts'),
      },
    ],
  },
  {
    title: 'Watch',
    commands: [
      { name: 'status', summary: 'how the mesh is, in one screen', load: () => import('./commands/status.ts') },
      {
        name: 'usage',
        summary: 'context, cost and limits of sessions and machines',
        load: () => import('./commands/usage.ts'),
      },
      { name: 'events', summary: 'what happens, as it happens', load: () => import('./commands/events.ts') },
    ],
  },
  {
    title: 'For agents',
    commands: [
      {
        name: 'mcp-server',
        summary: 'the MCP server; agents start it themselves',
        load: () => import('./commands/mcp-server.ts'),
      },
    ],
  },
];

export const COMMANDS: readonly CommandFacts[] = GROUPS.flatMap((group) => group.commands);

export function helpText(style: Style): string {
  const row = (name: string, text: string, width = 14): string =>
    `  ${style.cyan(name)}${' '.repeat(width - name.length)}${text}`;
  const blocks = GROUPS.map(({ title, commands }) =>
    [style.bold(title), ...commands.map((command) => row(command.name, command.summary))].join('\n'),
  );
  return `${[
    `${style.bold('intercom')} joins the coding agents on your machines into one mesh.`,
    `${style.bold('Usage')}  intercom <command> [options]      intercom <command> --help`,
    ...blocks,
    [
      style.bold('Options of every command'),
      row('--config FILE', 'the configuration file to use'),
      row('--hub URL', 'the hub to speak to as an operator'),
      row('--json', 'the answer as JSON, where there is a list or a result'),
      row('--no-color', 'no colours; NO_COLOR does the same'),
    ].join('\n'),
    [style.bold('Environment'), ...ENVIRONMENT.map((one) => row(one.name, one.meaning, 24))].join('\n'),
    `New here? Start with ${style.cyan('intercom standalone')}, then ${style.cyan('intercom demo')} beside it.`,
  ].join('\n\n')}\n`;
}
