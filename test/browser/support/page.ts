/** A page of the app that watches itself: what broke the page's policy, what failed in its scripts. */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { SIZES } from './chromium.ts';

export interface AppPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Violations of the Content-Security-Policy and script errors; empty when all is well. */
  faults(): Promise<string[]>;
}

const WATCH = `
  window.__faults = [];
  document.addEventListener('securitypolicyviolation', (event) => {
    window.__faults.push('csp: ' + event.violatedDirective + ' ' + event.blockedURI);
  });
`;

export interface PageOptions {
  readonly size?: keyof typeof SIZES;
  readonly colorScheme?: 'light' | 'dark';
  /** Let the page have its service worker. */
  readonly serviceWorker?: boolean;
}

export async function openApp(browser: Browser, options: PageOptions = {}): Promise<AppPage> {
  const context = await browser.newContext({
    viewport: SIZES[options.size ?? 'phone'],
    colorScheme: options.colorScheme ?? 'light',
    reducedMotion: 'reduce',
  });
  // Shorter than a test's own limit, so that a failure names the line.
  context.setDefaultTimeout(20_000);
  // As on plain http in a private network, where browsers have no service workers: every request is then seen by the test.
  if (options.serviceWorker !== true) await context.addInitScript('delete Navigator.prototype.serviceWorker');
  return watch(context, await context.newPage());
}

/** Signs in with a one-time link, and waits until the page is live. */
export async function signIn(page: Page, link: string): Promise<void> {
  await page.goto(link);
  await page.getByText('Live', { exact: true }).waitFor();
}

/** Another tab of the same browser. */
export async function anotherTab(app: AppPage): Promise<AppPage> {
  return watch(app.context, await app.context.newPage());
}

async function watch(context: BrowserContext, page: Page): Promise<AppPage> {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(`script: ${error.message}`));
  await page.addInitScript(WATCH);
  return {
    page,
    context,
    faults: async () => [...errors, ...(await page.evaluate<string[]>('window.__faults'))],
  };
}

/** Elements that stick out of the screen sideways. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
}

/** Controls that a finger would miss: everything to press or fill, but links inside a sentence, under 44 px in height. */
export function smallTargets(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`
    [...document.querySelectorAll('button, summary, input:not([type=checkbox], [type=radio]), select, textarea, nav a, a.thread-row, label:has(input[type=checkbox], input[type=radio])')]
      .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 43.5)
      .map((element) => element.outerHTML.slice(0, 120) + ' ' + element.getBoundingClientRect().height)
  `);
}

/** Texts whose contrast with what is behind them is under AA. Disabled controls are exempt, as in the rule. */
export function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const rgba = (color) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const over = (top, below) => {
      const a = top[3] / 255;
      return [0, 1, 2].map((i) => top[i] * a + below[i] * (1 - a)).concat(255);
    };
    const ground = (element) => {
      const layers = [];
      for (let at = element; at !== null; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
      return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 255]);
    };
    const light = (color) => {
      const [r, g, b] = color.slice(0, 3).map((v) => { const c = v / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement;
      if (node.data.trim() === '' || !element.checkVisibility() || element.closest('.visually-hidden, :disabled, noscript') !== null) continue;
      const style = getComputedStyle(element);
      const behind = ground(element);
      const front = over(rgba(style.color), behind);
      const [high, low] = [light(front), light(behind)].sort((a, b) => b - a);
      const ratio = (high + 0.05) / (low + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) faint.push(node.data.trim().slice(0, 40) + ' ' + ratio.toFixed(2));
    }
    return faint;
  })()`);
}
