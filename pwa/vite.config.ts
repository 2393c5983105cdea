/**
 * How the web app is built: hashed assets into dist/pwa, nothing inline (the page runs under a strict Content-Security-Policy), and a
 * service worker that knows the exact list of files of this build.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import preact from '@preact/preset-vite';
import { defineConfig, type Plugin } from 'vite';

const here = fileURLToPath(new URL('.', import.meta.url));

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Writes the shell's file list and a version derived from its content into sw.js. */
function shellList(): Plugin {
  return {
    name: 'intercom-shell-list',
    apply: 'build',
    generateBundle(_options, bundle) {
      const worker = bundle['sw.js'];
      if (worker?.type !== 'chunk') throw new Error('the build made no sw.js');
      // It is registered as a classic script, which can import nothing.
      if (worker.imports.length > 0) throw new Error(`sw.js imports ${worker.imports.join(', ')}`);
      const hash = createHash('sha256');
      const files: string[] = [];
      for (const file of Object.values(bundle).sort((a, b) => a.fileName.localeCompare(b.fileName))) {
        if (file === worker || file.fileName.endsWith('.map')) continue;
        hash.update(file.fileName).update(file.type === 'chunk' ? file.code : file.source);
        if (file.fileName !== 'index.html') files.push(`/${file.fileName}`);
      }
      const publicFolder = join(here, 'public');
      for (const path of filesBelow(publicFolder).sort()) {
        hash.update(path).update(readFileSync(path));
        if (!path.includes('licenses')) files.push(`/${relative(publicFolder, path).replaceAll('\\', '/')}`);
      }
      hash.update(worker.code);
      const list = JSON.stringify({ version: hash.digest('hex').slice(0, 16), files });
      const before = worker.code;
      worker.code = before.replace(/["'`]__SHELL__["'`]/, () => JSON.stringify(list));
      if (worker.code === before) throw new Error('sw.js has no place for the shell list');
    },
  };
}

// Vite reads its configuration from the default export.
// eslint-disable-next-line no-restricted-syntax
export default defineConfig({
  root: here,
  base: '/',
  publicDir: 'public',
  plugins: [preact({ devToolsEnabled: false }), shellList()],
  build: {
    outDir: resolve(here, '../dist/pwa'),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    rolldownOptions: {
      input: { main: join(here, 'index.html'), sw: join(here, 'src/sw.ts') },
      output: {
        entryFileNames: (chunk) => (chunk.name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js'),
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
});
