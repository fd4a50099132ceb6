import { expect, it } from 'vitest';
import { createFakeHost } from '../host/fake-host.ts';
import type { Call } from '../host/host.ts';
import { createCall } from './call.ts';

const call = {
  cluster: { service: 'authorizer.test', port: 8000 },
  method: 'POST',
  scheme: 'http',
  authority: 'client.chose.test',
  target: '/check?q=1',
  headers: [
    ['x-a', '1'],
    ['x-a', '2'],
  ],
  body: new TextEncoder().encode('body'),
  timeoutMs: 1000,
  maxBodyBytes: 4,
} as unknown as Call;

function sending(): { readonly send: ReturnType<typeof createCall>; readonly sent: Request[] } {
  const sent: Request[] = [];
  const send = createCall((_, request) => {
    sent.push(request);
    return Promise.resolve(
      new Response('longer than that', { status: 201, headers: { 'x-b': '1' } }),
    );
  }, createFakeHost().clock);
  return { send, sent };
}

it('goes to the service itself where there is no endpoint, never to what a client asked for', async () => {
  const { send, sent } = sending();
  const answer = await send(call);
  expect(sent[0]?.url).toBe('http://authorizer.test:8000/check?q=1');
  expect(sent[0]?.headers.get('x-forwarded-host')).toBe('client.chose.test');
  expect([sent[0]?.headers.get('x-a'), await sent[0]?.text()]).toEqual(['1, 2', 'body']);
  expect([answer.status, new TextDecoder().decode(answer.body)]).toEqual([201, 'long']);
  await send({ ...call, endpoint: { address: '10.0.0.1', port: 80, weight: 1, healthy: true } });
  expect(sent[1]?.url).toBe('http://10.0.0.1/check?q=1');
});

it('fails rather than to leave out what matters', async () => {
  const { send, sent } = sending();
  await expect(send({ ...call, overHttp2: true })).rejects.toThrow("doesn't say");
  await expect(send({ ...call, method: 'GET' })).rejects.toThrow('no body with GET');
  expect(sent).toEqual([]);
});
