// Builds dist/: the program (esbuild, split by command so that each loads only what it needs) and the web app (Vite).
//   node scripts/build.mjs            everything
//   node scripts/build.mjs --missing  only what is missing or older than its sources
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

/** Native parts stay outside the bundle; the optional ones of `ws` are looked for and may be missing. */
const EXTERNAL = ['better-sqlite3', 'node-pty', 'bufferutil', 'utf-8-validate'];

const started = performance.now();
const onlyMissing = process.argv.includes('--missing');
const parts = [
  {
    name: 'program',
    output: join(dist, 'main.js'),
    sources: ['src', 'package.json', 'scripts/build.mjs'],
    make: program,
  },
  {
    name: 'web app',
    output: join(dist, 'pwa', 'index.html'),
    sources: ['pwa', 'src/protocol', 'package.json'],
    make: webApp,
  },
];
for (const part of parts) {
  if (part.name === 'web app' && !existsSync(join(root, 'pwa', 'index.html'))) continue;
  if (onlyMissing && !(await outdated(part))) continue;
  const begun = performance.now();
  await part.make();
  console.log(`built the ${part.name} in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
}
if (!onlyMissing) console.log(`done in ${((performance.now() - started) / 1000).toFixed(1)} s`);

async function program() {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const result = await build({
    absWorkingDir: root,
    entryPoints: { main: 'src/cli/main.ts' },
    outdir: dist,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    chunkNames: 'chunks/[name]-[hash]',
    external: EXTERNAL,
    define: { INTERCOM_VERSION: JSON.stringify(version) },
    // Bundled CommonJS asks for Node's own modules by require().
    banner: {
      js: "import { createRequire as nodeRequire } from 'node:module';const require = nodeRequire(import.meta.url);",
    },
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: true,
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
  });
  await removeOld(Object.keys(result.metafile.outputs));
  await writeFile(join(dist, 'THIRD-PARTY-LICENSES.txt'), await licences(Object.keys(result.metafile.inputs)));
}

/** Only after the new files are there: a program that starts meanwhile finds one set or the other. */
async function removeOld(outputs) {
  const fresh = new Set(outputs.map((output) => join(root, output)));
  for (const folder of [dist, join(dist, 'chunks')]) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isFile() && entry.name.endsWith('.js') && !fresh.has(path)) await rm(path);
    }
  }
}

async function webApp() {
  const { build: viteBuild } = await import('vite');
  await viteBuild({ configFile: join(root, 'pwa', 'vite.config.ts'), logLevel: 'warn' });
}

/** The licences of what is inside the bundle, as they ask for. */
async function licences(inputs) {
  const folders = new Set();
  for (const input of inputs) {
    const match = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input);
    if (match !== null) folders.add(match[0]);
  }
  const texts = [];
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'));
    const file = (await readdir(join(root, folder))).find((one) => /^(?:licen[cs]e|copying)(?:\.|$)/i.test(one));
    const text = file === undefined ? `Licence: ${license}` : (await readFile(join(root, folder, file), 'utf8')).trim();
    texts.push(`${name} ${version} (${license})\n\n${text}`);
  }
  return `The program contains the following packages.\n\n${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

async function outdated({ output, sources }) {
  if (!existsSync(output)) return true;
  const made = (await stat(output)).mtimeMs;
  for (const source of sources) if ((await newest(join(root, source))) > made) return true;
  return false;
}

async function newest(path) {
  if (!existsSync(path)) return 0;
  const own = await stat(path);
  if (!own.isDirectory()) return own.mtimeMs;
  let latest = 0;
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    latest = Math.max(latest, (await stat(join(entry.parentPath, entry.name))).mtimeMs);
  }
  return latest;
}
