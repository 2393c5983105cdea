// Draws the PNG icons in public/icons from the two SVG files here, with a headless Chromium. Run by hand after changing an SVG:
//   node pwa/icons/draw.mjs [path of chromium]
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = fileURLToPath(new URL('.', import.meta.url));
const out = `${here}../public/icons`;
mkdirSync(out, { recursive: true });
copyFileSync(`${here}icon.svg`, `${out}/icon.svg`);

const browser = await chromium.launch({
  executablePath: process.argv[2] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run'],
});
const drawings = [
  ['icon.svg', 'icon-192.png', 192],
  ['icon.svg', 'icon-512.png', 512],
  ['icon-maskable.svg', 'icon-maskable-512.png', 512],
  ['icon-maskable.svg', 'icon-180.png', 180],
];
for (const [svg, name, size] of drawings) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  const source = Buffer.from(readFileSync(`${here}${svg}`)).toString('base64');
  await page.setContent(
    `<body style="margin:0;background:transparent"><img style="display:block" width="${size}" height="${size}" src="data:image/svg+xml;base64,${source}">`,
  );
  writeFileSync(`${out}/${name}`, await page.screenshot({ omitBackground: true }));
  await page.close();
}
await browser.close();
