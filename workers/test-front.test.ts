import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleWorker } from './build.ts';
import type { LocalWorkers } from './local.ts';
import { startLocalWorkers } from './local.ts';

let workers: LocalWorkers;
beforeAll(async () => {
  workers = await startLocalWorkers({
    workers: [
      {
        name: 'front',
        script: await bundleWorker('workers/test-front.ts'),
        vars: { TEST_TOKEN: 'secret', PROXY_TOKEN: 'none', CONTROL_URL: 'http://127.0.0.1:1' },
        sockets: [{ port: 0 }],
      },
    ],
  });
});
afterAll(() => workers.close());

describe('test front', () => {
  it('does nothing for who lacks the token', async () => {
    const url = await workers.url('front');
    const question = btoa(encodeURIComponent(JSON.stringify({ token: 'guess' })));
    for (const headers of [{}, { 'x-lateen-test': question }, { 'x-lateen-test': 'garbage' }])
      expect((await fetch(url, { headers })).status).toBe(404);
  });
});
