#!/usr/bin/env node
// Checks the Node version in words, before anything is loaded that an old Node could not read; then runs the bundle.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `error: intercom needs Node.js 20.19 or newer; this is ${process.versions.node} (${process.execPath}).\n` +
      '  next: install a newer one from https://nodejs.org, or with your version manager: nvm install 22\n',
  );
  process.exitCode = 1;
} else {
  import('../dist/main.js').catch((error) => {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND' || !String(error.message).includes('dist/main.js')) throw error;
    process.stderr.write('error: intercom is not built yet.\n  next: run `npm run build` in its folder.\n');
    process.exitCode = 1;
  });
}
