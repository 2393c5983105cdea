import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestHub, type TestHub } from '../../support/hub.ts';
import { raw } from '../../support/raw-http.ts';

let hub: TestHub;
let web: string;
const get = (path: string, headers: Record<string, string> = {}) => raw({ url: hub.url, method: 'GET', path, headers });

beforeAll(async () => {
  hub = await startTestHub();
  web = join(hub.home, 'web');
});
afterAll(() => hub.stop());

async function build(): Promise<void> {
  await mkdir(join(web, 'assets'), { recursive: true });
  await writeFile(join(web, 'index.html'), '<!doctype html><title>intercom</title>');
  await writeFile(join(web, 'assets', 'main-AbC123.js'), 'export {};');
  await writeFile(join(web, 'sw.js'), '');
  await writeFile(join(web, '.hidden'), 'not for you');
  await symlink('/etc/passwd', join(web, 'assets', 'link.txt'));
  await symlink('/etc', join(web, 'etc'));
}

describe('the web app', () => {
  it('says kindly that it was not built, and is there as soon as it was', async () => {
    const before = await get('/');
    expect(before.status).toBe(200);
    expect(before.text).toContain('was not built yet');
    await build();
    await expect.poll(async () => (await get('/')).text, { timeout: 5_000 }).not.toContain('was not built yet');
  });

  it('is served with headers that let nothing foreign in', async () => {
    const { headers } = await get('/');
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(policy).not.toMatch(/https?:/);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
    });
    expect(headers['x-powered-by']).toBeUndefined();
  });

  it('lets hashed files be kept, and the rest be asked for again', async () => {
    expect((await get('/assets/main-AbC123.js')).headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-type': 'text/javascript; charset=utf-8',
    });
    expect((await get('/sw.js')).headers['cache-control']).toBe('no-cache');
  });

  it('seed: S4 - serves nothing but its own files, however the path is written', async () => {
    const up = ['..', '%2e%2e', '%2E%2E', '.%2e', '..%2f', '..%5c', '%252e%252e', '..;', '%c0%ae%c0%ae', '....//'];
    const targets = ['etc/passwd', 'state/hub.db', 'state/hub.key', 'config/policies.yml'];
    const paths = [
      ...up.flatMap((step) => targets.flatMap((target) => [1, 2, 6].map((n) => `/${`${step}/`.repeat(n)}${target}`))),
      ...up.flatMap((step) => targets.map((target) => `/assets/${step}/${step}/${target}`)),
      '/assets/link.txt',
      '/etc/passwd',
      '/.hidden',
      '//etc/passwd',
      '/assets/',
      '/assets',
      '/index.html%00.js',
      '/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    ];
    for (const path of paths) {
      const answer = await get(path);
      expect({ path, status: answer.status >= 400, code: answer.code !== undefined }).toEqual({
        path,
        status: true,
        code: true,
      });
      expect(answer.text).not.toMatch(/root:|not for you|SQLite/);
    }
  });

  it('answers HEAD without a body, and other methods as unknown', async () => {
    const head = await raw({ url: hub.url, method: 'HEAD', path: '/' });
    expect({ status: head.status, text: head.text }).toEqual({ status: 200, text: '' });
    expect((await raw({ url: hub.url, method: 'PUT', path: '/index.html', body: 'x' })).code).toBe('not_found');
  });

  it('never says where it lies', async () => {
    const answers = await Promise.all(['/nothing', '/api/nothing', '/api/machine/nothing'].map((path) => get(path)));
    for (const { text } of answers) expect(text).not.toContain(hub.home);
  });
});
