/** Trailers of a request over HTTP/2 that say who sent it, where it goes or where it ends: what is left of them at the backend. */
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { connect } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endServer, listen } from '../fixtures/gateway.ts';
import { gatewayBefore, startTestProxy } from '../fixtures/node-proxy.ts';
import type { TestProxy } from '../fixtures/node-proxy.ts';

let backend: Server;
let proxy: TestProxy;
let taken: string[] = [];
beforeAll(async () => {
  backend = createServer((request, response) => {
    request.resume().on('end', () => {
      taken = request.rawTrailers;
      response.end('in');
    });
  });
  proxy = await startTestProxy({ yaml: gatewayBefore(await listen(backend)) });
});
afterAll(async () => {
  await proxy.close();
  await endServer(backend);
});

const send = (trailers: Readonly<Record<string, string>>): Promise<number> =>
  new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${proxy.port}`);
    session.on('error', reject);
    const head = { ':method': 'POST', ':path': '/', ':authority': 'shop.test' };
    const stream = session.request(head, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.on('error', reject);
    stream.on('response', ({ ':status': status = 0 }) => {
      stream.resume().on('end', () => {
        session.close();
        resolve(status);
      });
    });
    stream.end('body');
  });

describe('a trailer over HTTP/2', () => {
  it.each([
    'x-lateen-identity',
    'x_lateen_identity',
    'x-forwarded-client-cert',
    'x_forwarded_client_cert',
    'x-forwarded-for',
    'forwarded',
    'client-cert',
    'client_cert_chain',
    'workload-identity-token',
    'workload-proof-token',
    'cf-client-cert-sha256',
    'authorization',
    'cookie',
    'content-type',
    'content-encoding',
    'max-forwards',
  ])('%s is not passed on, others are', async (name) => {
    taken = [];
    expect(await send({ [name]: 'root', 'x-checksum': 'abc' })).toBe(200);
    expect(taken).toEqual(['x-checksum', 'abc']);
  });
});
