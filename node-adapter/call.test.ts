import { expect, it } from 'vitest';
import type { Call } from '../src/host/host.ts';
import { createCall } from './call.ts';
import type { Waiter } from './pool/pool.ts';
import type { UpstreamTarget, Upstreams } from './pool/upstreams.ts';
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

it('connects for the name of the service, whatever a client asked for, and over HTTP/2 where that is wanted', async () => {
  const targets: UpstreamTarget[] = [];
  const upstreams = {
    acquireFor(target: UpstreamTarget, waiter: Waiter) {
      targets.push(target);
      waiter.onNoStream('connect-failure');
    },
  } as unknown as Upstreams;
  const cluster = { name: 'outbound|80||authorizer.test', service: 'authorizer.test', port: 80 };
  const call = {
    cluster,
    method: 'GET',
    scheme: 'http',
    authority: 'client.chose.test',
    target: '/',
    headers: [],
    timeoutMs: 1000,
    maxBodyBytes: 0,
  } as unknown as Call;
  const send = createCall(() => upstreams);
  for (const overHttp2 of [false, true, true])
    await expect(send({ ...call, overHttp2 })).rejects.toThrow('connect-failure');
  const [plain, first, second] = targets;
  expect(plain).toEqual({ cluster, endpoint: undefined, authority: 'authorizer.test:80' });
  expect(first?.cluster).toMatchObject({ protocol: 'http2', service: 'authorizer.test' });
  expect(first?.cluster.name).not.toBe(cluster.name);
  expect(second?.cluster).toBe(first?.cluster);
});
