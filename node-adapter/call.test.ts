import { expect, it } from 'vitest';
import type { Call } from '../src/host/host.ts';
import { createCall } from './call.ts';
import type { Waiter } from './pool/pool.ts';
import type { Upstreams } from './pool/upstreams.ts';
import type { ClientStream } from './stream.ts';

it('sends nothing by a connection that comes when its time is over', async () => {
  const waiting: Waiter[] = [];
  const upstreams = {
    acquireFor: (_target: unknown, waiter: Waiter) => void waiting.push(waiter),
  } as unknown as Upstreams;
  const call = {
    method: 'GET',
    scheme: 'http',
    cluster: { service: 'authorizer.test', port: 80 },
    authority: 'authorizer.test',
    target: '/check',
    headers: [],
    timeoutMs: 10,
    maxBodyBytes: 0,
  } as unknown as Call;
  await expect(createCall(() => upstreams)(call)).rejects.toThrow('no answer: timeout');
  const done: string[] = [];
  const stream = new Proxy({} as ClientStream, {
    get: (_target, name) => () => done.push(String(name)),
  });
  waiting[0]?.onStream(stream);
  expect(done).toEqual(['abort']);
});
