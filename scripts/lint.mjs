// Everything that is checked without running the product. All of it runs; the end says what failed.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name, ...path) => fileURLToPath(new URL(`../node_modules/${name}/${path.join('/')}`, import.meta.url));

const CHECKS = [
  ['formatting', [bin('prettier', 'bin', 'prettier.cjs'), '--check', '--log-level', 'warn', '.']],
  ['types', [bin('typescript', 'bin', 'tsc'), '--build']],
  ['code rules', [bin('eslint', 'bin', 'eslint.js'), '--max-warnings', '0', '.']],
  [
    'import directions',
    [bin('dependency-cruiser', 'bin', 'dependency-cruise.mjs'), '--config', '.dependency-cruiser.cjs', 'src', 'pwa'],
  ],
  ['unused code', [bin('knip', 'bin', 'knip.js'), '--no-progress']],
];

const failed = [];
for (const [name, command] of CHECKS) {
  const begun = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`${status === 0 ? '✓' : '✗'} ${name} (${seconds} s)`);
  if (status === 0) continue;
  failed.push(name);
  console.log(`${stdout}${stderr}`.trimEnd());
}
if (failed.length > 0) console.log(`\nFailed: ${failed.join(', ')}. \`npm run format\` repairs formatting.`);
process.exit(failed.length === 0 ? 0 : 1);
