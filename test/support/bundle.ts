/** Bundles a TypeScript entry into one file that Node runs, as the product's build does. */
import { rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '..', '..');

/** Returns the path of the bundle. `entry` is relative to the root of the repository. */
export async function bundle(entry: string, name: string, external: readonly string[] = []): Promise<string> {
  const folder = join(ROOT, 'node_modules', '.cache', 'test-bundles');
  await mkdir(folder, { recursive: true });
  const outfile = join(folder, `${name}-${process.pid}.mjs`);
  process.once('exit', () => rmSync(outfile, { force: true }));
  await build({
    entryPoints: [join(ROOT, entry)],
    outfile,
    bundle: true,
    external: [...external],
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  return outfile;
}
