// Pictures for people: every screen of the web app in both themes and sizes. After a build: node scripts/shots.mjs FOLDER
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('error: no folder is given.\n  next: node scripts/shots.mjs FOLDER');
  process.exit(2);
}
const support = async (name) => {
  const path = fileURLToPath(new URL(`../test/browser/support/${name}`, import.meta.url));
  return (await runnerImport(path)).module;
};
const { launch } = await support('chromium.ts');
const { takeShots } = await support('shots.ts');
const browser = await launch();
try {
  await takeShots(browser, folder);
} finally {
  await browser.close();
}
