/** Where notices may be sent to: the doors of the hub's own network are refused, by number and by name. */
import { describe, expect, it } from 'vitest';
import { checkEndpoint, checkKeys, isPrivate, publicLookup } from '../../../src/hub/push/endpoint.ts';
import { outcomeOf, retryAfter } from '../../../src/hub/push/sender.ts';

describe('an endpoint', () => {
  it.each([
    'http://push.example.org/x',
    'https://127.0.0.1/x',
    'https://localhost:7700/x',
    'https://hub.localhost/x',
    'https://10.1.2.3/x',
    'https://192.168.1.1:8443/x',
    'https://172.20.0.1/x',
    'https://169.254.169.254/latest/meta-data',
    'https://100.100.1.1/x',
    'https://0x7f000001/x',
    'https://2130706433/x',
    'https://[::1]/x',
    'https://[::ffff:10.0.0.1]/x',
    'https://[fd7a:115c:a1e0::1]/x',
    'https://[fe80::1]/x',
    'https://[64:ff9b::a00:1]/x',
    'https://user:secret@push.example.org/x',
    'ftp://push.example.org/x',
    'nonsense',
  ])('%s is refused', (endpoint) => {
    expect(() => checkEndpoint(endpoint, false)).toThrow('Notices cannot be sent there');
  });

  it.each([
    'https://fcm.googleapis.com/fcm/send/abc',
    'https://web.push.apple.com/abc',
    'https://8.8.8.8/x',
    'https://[2606:4700::1111]/x',
  ])('%s is taken', (endpoint) => {
    expect(() => checkEndpoint(endpoint, false)).not.toThrow();
  });

  it('of a private network is taken where the configuration says so', () => {
    expect(() => checkEndpoint('http://127.0.0.1:9/x', true)).not.toThrow();
    expect(() => checkEndpoint('ftp://127.0.0.1:9/x', true)).toThrow();
  });

  it('with a harmless name that leads to a private address is refused by the look-up', async () => {
    const found = await new Promise((resolve) => publicLookup('localhost', {}, (error) => resolve(error?.message)));
    expect(found).toBe('localhost is at a private address');
    expect(['203.0.113.9', '2606:4700::1'].map(isPrivate)).toEqual([false, false]);
  });

  it('needs keys that something can be encrypted for', () => {
    expect(() => checkKeys({ p256dh: 'A'.repeat(87), auth: 'B'.repeat(22) })).toThrow('The keys');
  });
});

describe('an answer of a push service', () => {
  it.each([
    [201, 'sent'],
    [200, 'sent'],
    [404, 'gone'],
    [410, 'gone'],
    [429, 'later'],
    [503, 'later'],
    [400, 'refused'],
    [413, 'refused'],
    [302, 'refused'],
  ])('%d means %s', (status, outcome) => {
    expect(outcomeOf(status, undefined).outcome).toBe(outcome);
  });

  it('says when to come back, in seconds or as a date', () => {
    const now = Date.parse('2026-06-01T12:00:00Z');
    expect(['120', 'Mon, 01 Jun 2026 12:01:00 GMT', 'soon', undefined].map((text) => retryAfter(text, now))).toEqual([
      120_000,
      60_000,
      undefined,
      undefined,
    ]);
  });
});
