// An agent for tests: its mission is a list of commands, one a line; it tells what it does as one JSON event a line.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { existsSync, writeFileSync } from 'node:fs';

const args = process.argv.slice(2);
const flag = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
const session = flag('--resume') ?? flag('--session') ?? 'scripted-session';
const prompt = args.at(-1) ?? '';
const inside = /<intercom-mission [^>]*>\n([\s\S]*)\n<\/intercom-mission>/.exec(prompt)?.[1];
const unescaped = inside?.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
const commands = (unescaped ?? 'done went on').split('\n');

const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const heard = [];
let wake = () => undefined;
createInterface({ input: process.stdin }).on('line', (line) => {
  heard.push(line);
  wake();
});
const input = async () => {
  while (heard.length === 0) await new Promise((resolve) => (wake = resolve));
  return heard.shift();
};
// What is on its way into the pipe goes out first.
const end = (code) =>
  new Promise(() => process.stdout.write('', () => process.stderr.write('', () => process.exit(code))));
const forever = () => new Promise(() => setInterval(() => undefined, 60_000));

tell({ kind: 'session', session });
tell({ kind: 'turn_started', prompt });
for (const command of commands) {
  const [verb = '', ...rest] = command.split(' ');
  const word = rest.join(' ');
  if (verb === 'say') tell({ kind: 'text', text: word });
  else if (verb === 'tool') tell({ kind: 'tool', tool: 'Bash', label: word, shape: 'command' });
  else if (verb === 'wait') {
    tell({ kind: 'waiting', for: word });
    tell({ kind: 'text', text: `was told: ${await input()}` });
  } else if (verb === 'read') await input();
  else if (verb === 'limit')
    tell({ kind: 'rate_limited', text: 'the limit is reached', ...(word === '' ? {} : { resetAt: word }) });
  else if (verb === 'done')
    tell({ kind: 'turn_ended', text: word, isError: false, background: false, costUsd: 0.25, turns: 1 });
  else if (verb === 'cost')
    tell({ kind: 'turn_ended', text: '', isError: false, background: true, costUsd: Number(word) });
  else if (verb === 'turns')
    tell({ kind: 'turn_ended', text: '', isError: false, background: true, turns: Number(word) });
  else if (verb === 'error') tell({ kind: 'turn_ended', text: word, isError: true, background: false });
  else if (verb === 'long') tell({ kind: 'text', text: 'x'.repeat(Number(word)) });
  else if (verb === 'stderr') await new Promise((resolve) => process.stderr.write('e'.repeat(Number(word)), resolve));
  else if (verb === 'child') {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
    writeFileSync(word, String(child.pid));
  } else if (verb === 'env') tell({ kind: 'text', text: JSON.stringify(process.env) });
  else if (verb === 'args') tell({ kind: 'text', text: args.slice(0, -1).join(' ') });
  else if (verb === 'cwd') tell({ kind: 'text', text: process.cwd() });
  else if (verb === 'write') writeFileSync(word, 'written by the agent\n');
  else if (verb === 'deaf') process.on('SIGTERM', () => undefined);
  else if (verb === 'until') {
    while (!existsSync(word)) await new Promise((resolve) => setTimeout(resolve, 20));
  } else if (verb === 'hang') await forever();
  else if (verb === 'exit') await end(Number(word));
}
await end(0);
