// Runs a suite: node scripts/test.mjs [unit|agents|browser|faults] [vitest arguments …]
// `npm test` is `unit`. TEST_REPORT=FILE writes a JSON report beside the readable one.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const SUITES = ['unit', 'agents', 'browser', 'faults'];
const named = SUITES.includes(process.argv[2]);
const suite = named ? process.argv[2] : 'unit';
const rest = process.argv.slice(named ? 3 : 2);

if (suite === 'browser') needBrowser();
if (suite === 'agents') needAgents();
// The suites start the program as people do, so it must be what the sources say.
run(process.execPath, ['scripts/build.mjs', '--missing'], 'The build failed.');

const report = process.env.TEST_REPORT;
const reporting = report ? ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`] : [];
const vitest = join('node_modules', 'vitest', 'vitest.mjs');
const status = spawnSync(process.execPath, [vitest, 'run', '--project', suite, ...reporting, ...rest], {
  cwd: root,
  stdio: 'inherit',
}).status;
if (suite === 'unit' && rest.length === 0) {
  console.log(
    'Not run here: the real agents (npm run test:agents), the browser (apt-get install chromium, npm run test:browser), the kill test (npm run test:faults).',
  );
}
process.exit(status ?? 1);

function needBrowser() {
  const path = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
  if (existsSync(path)) return;
  console.error(`error: these tests need Chromium, and there is none at ${path}.`);
  console.error('  next: apt-get install chromium, or set CHROMIUM_PATH to yours.');
  process.exit(1);
}

/** They drive real terminals, and one of them a page beside them. The pinned agents are installed from their own package file, exactly as locked, once. */
function needAgents() {
  needBrowser();
  if (spawnSync('tmux', ['-V']).status !== 0) {
    console.error('error: the agent tests drive real terminals and need tmux.\n  next: apt-get install tmux');
    process.exit(1);
  }
  const agents = join(root, 'test', 'agents');
  if (existsSync(join(agents, 'node_modules', '.package-lock.json'))) return;
  console.log('Installing the pinned agents of test/agents/package.json …');
  run(
    'npm',
    // Not `npm ci`: it refuses opencode's optional packages of other platforms, which npm itself leaves out of the lock file.
    ['install', '--no-audit', '--no-fund', '--loglevel', 'error', '--prefix', agents],
    'The agents could not be installed; is the npm registry reachable?',
  );
}

function run(command, args, sorry) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`error: ${sorry}`);
  process.exit(1);
}
