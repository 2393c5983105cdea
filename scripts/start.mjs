// `npm start`: builds what is missing or older than its sources, then runs `intercom standalone` (further arguments are passed on).
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const [command = 'standalone', ...rest] = process.argv.slice(2);

const built = spawnSync(process.execPath, [path('scripts/build.mjs'), '--missing'], { stdio: 'inherit' });
if (built.status !== 0) process.exit(built.status ?? 1);

const child = spawn(process.execPath, [path('bin/intercom.js'), command, ...rest], { stdio: 'inherit' });
// The terminal sends Ctrl-C to the child as well; a service manager's SIGTERM comes only to us.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
