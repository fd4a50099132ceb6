import { describe, expect, it } from 'vitest';
import { createFakeHost } from '../host/fake-host.ts';
import type { Engine, LinkedSnapshot } from '../proxy/index.ts';
import { createFetchDriver } from './fetch.ts';

const linked = {
  named: { snapshot: { mesh: { pathNormalization: 'BASE' } } },
} as unknown as LinkedSnapshot;

describe('fetch driver', () => {
  it('refuses a request on a fault that nobody foresaw, and tells the log alone', async () => {
    const host = createFakeHost();
    let ended = 0;
    const engine = {
      begin: () => ({}),
      onRequest() {
        throw new Error('secret detail');
      },
      onEnd() {
        ended++;
      },
    } as unknown as Engine;
    const driver = createFetchDriver({ engine, host, dial: () => Promise.reject(new Error()) });
    const request = new Request('http://shop.test/');
    const response = await driver.handle({ request, linked, peer: { ip: '192.0.2.1' }, port: 80 });
    expect([response.status, await response.text(), ended]).toEqual([500, '', 1]);
    expect(host.lines.join('')).toContain('secret detail');
  });
});
