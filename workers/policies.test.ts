/** lateen.io Policies in workerd: each slice on real requests, bodies of unknown length among them. */
import { createServer, request as send } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProxyScope } from '../src/model/snapshot.ts';
import type { StubControl } from '../test/fixtures/gateway.ts';
import { endServer, listen, startGateway, startStubControl } from '../test/fixtures/gateway.ts';
import { peerOf } from './gateway/serve.ts';

const scope: ProxyScope = { type: 'gateway', namespace: 'edge', name: 'front', labels: { a: 'b' } };
/** Longer than the gateway's soft and waiting bounds. */
const SETTLED_MS = 150;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
let handler: Handler;
let backend: Server;
let port: number;
let control: StubControl;
let gateway: Awaited<ReturnType<typeof startGateway>>;

function mesh(policies: string, route = ''): string {
  return [
    `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: shop, namespace: edge}\nspec: {hosts: [shop.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP, targetPort: ${port}}], endpoints: [{address: 127.0.0.1}]}\n`,
    'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: front, namespace: edge}\nspec: {selector: {a: b}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}\n',
    `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: all, namespace: edge}\nspec:\n  hosts: ["*"]\n  gateways: [front]\n  http:\n  - {name: moved, match: [{uri: {prefix: /moved}}], redirect: {uri: /new}}\n  - {name: open, match: [{uri: {prefix: /open}}], route: [{destination: {host: shop.test}}]}\n  - {route: [{destination: {host: shop.test}}]${route === '' ? '' : `, ${route}`}}\n`,
    policies,
  ].join('---\n');
}

const policy = (name: string, spec: string): string =>
  `apiVersion: lateen.io/v1\nkind: Policy\nmetadata: {name: ${name}, namespace: edge}\nspec: ${spec}\n`;

async function use(policies: string, route = ''): Promise<void> {
  control.serve(mesh(policies, route), scope);
  await new Promise((wake) => {
    setTimeout(wake, SETTLED_MS);
  });
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** The connection was cut before the answer's end. */
  readonly isCut: boolean;
}

/** Chunks of a body without length; `next` says when each may follow. */
async function upload(
  chunks: readonly Buffer[],
  next: (sent: number) => Promise<void> = async () => undefined,
  onResponse: () => void = () => undefined,
): Promise<Answer> {
  const { hostname, port: at } = new URL(gateway.url);
  return new Promise((resolve) => {
    let status = 0;
    let body = '';
    const sent = send(
      { hostname, port: at, method: 'POST', path: '/up', agent: false },
      (answer) => {
        status = answer.statusCode ?? 0;
        onResponse();
        answer.on('data', (chunk) => (body += String(chunk)));
        answer.on('close', () => resolve({ status, body, isCut: !answer.complete }));
        answer.on('error', () => undefined);
      },
    );
    sent.on('error', () => resolve({ status, body, isCut: true }));
    void (async () => {
      for (const [index, chunk] of chunks.entries()) {
        await next(index);
        if (sent.destroyed || !sent.writable) return;
        sent.write(chunk);
      }
      sent.end();
    })();
  });
}

beforeAll(async () => {
  backend = createServer((request, response) => {
    handler(request, response);
  });
  port = await listen(backend);
  control = await startStubControl();
  control.serve(mesh(policy('none', '{body: {maxBytes: 1}}')), scope);
  gateway = await startGateway(control, { inbound: scope });
});
afterAll(async () => {
  await gateway.close();
  await control.close();
  await endServer(backend);
});
beforeEach(() => {
  handler = (_request, response) => response.end('ok');
});

describe('headers', () => {
  it('edits requests and responses with values of the request, whoever answers', async () => {
    let received: IncomingMessage['headers'] = {};
    handler = (request, response) => {
      received = request.headers;
      response.writeHead(200, { server: 'secret', 'x-kept': '1' }).end();
    };
    await use(
      policy(
        'heads',
        '{headers: {request: {set: {x-user: "${jwt.claims.sub}", x-from: "${client.ip}"}, add: {x-path: "at ${request.path}"}, remove: [x-debug]}, response: {set: {x-id: "${request.id}"}, remove: [server]}}}',
      ),
    );
    const headers = { 'x-user': 'root', 'x-debug': '1', 'x-request-id': 'abc' };
    const answer = await fetch(`${gateway.url}/a?b=c`, { headers });
    expect(received).toMatchObject({ 'x-from': '127.0.0.1', 'x-path': 'at /a' });
    // Nobody signed in: what the caller says of itself doesn't stand in for it.
    expect([received['x-user'], received['x-debug']]).toEqual([undefined, undefined]);
    expect(answer.headers.get('x-id')).toBe('abc');
    expect([answer.headers.get('server'), answer.headers.get('x-kept')]).toEqual([null, '1']);
    const moved = await fetch(`${gateway.url}/moved`, { redirect: 'manual' });
    expect([moved.status, moved.headers.get('x-id') !== null]).toEqual([301, true]);
  });
});

describe('access', () => {
  it('refuses by path in every reading, answers of the gateway itself included', async () => {
    await use(policy('shut', '{access: {deny: [{paths: [{prefix: /admin}, {prefix: /moved}]}]}}'));
    const statuses = async (...paths: string[]): Promise<number[]> =>
      Promise.all(
        paths.map(async (path) => (await fetch(gateway.url + path, { redirect: 'manual' })).status),
      );
    expect(await statuses('/', '/admin', '/admin/x', '/administrator', '/moved')).toEqual([
      200, 403, 403, 200, 403,
    ]);
    expect(await statuses('//admin', '/x/..%2fadmin', '/admin;a=b', '/%61dmin')).toEqual([
      403, 403, 403, 403,
    ]);
    expect(await (await fetch(`${gateway.url}/admin`)).text()).toBe('access denied');
  });

  it('takes the most specific Policy of a key, and what cannot be judged is closed', async () => {
    const open =
      '{targetRefs: [{group: networking.istio.io, kind: VirtualService, name: all, sectionName: open}], access: {allow: [{cidrs: [127.0.0.0/8]}]}}';
    await use(
      `${policy('abroad', '{access: {deny: [{countries: [FI]}]}}')}---\n${policy('open', open)}`,
    );
    // Nobody tells the country on this machine.
    expect((await fetch(`${gateway.url}/`)).status).toBe(403);
    expect((await fetch(`${gateway.url}/open`)).status).toBe(200);
  });

  it('knows address and country from the platform alone', () => {
    const request = (cf: unknown): Request =>
      Object.assign(new Request('http://x', { headers: { 'cf-connecting-ip': '192.0.2.7' } }), {
        cf,
      });
    expect(peerOf(request({ country: 'FI' }))).toEqual({ ip: '192.0.2.7', country: 'FI' });
    expect(peerOf(request({ country: 'XX' }))).toEqual({ ip: '192.0.2.7' });
    expect(peerOf(request(undefined))).toEqual({ ip: '127.0.0.1' });
  });
});

describe('body', () => {
  const KIB = Buffer.alloc(1024, 'x');
  const bounded = policy('small', '{body: {maxBytes: 2048}}');

  it('refuses a declared length at once, and lets what fits pass', async () => {
    let arrived = 0;
    handler = (request, response) => {
      arrived++;
      request.resume().on('end', () => response.end('ok'));
    };
    await use(bounded);
    const post = async (length: number): Promise<Response> =>
      fetch(`${gateway.url}/`, { method: 'POST', body: 'x'.repeat(length) });
    const refused = await post(2049);
    expect([refused.status, await refused.text()]).toEqual([413, 'payload too large']);
    expect((await post(2048)).status).toBe(200);
    expect(arrived).toBe(1);
  });

  it.each([
    ['without retries', ''],
    ['with retries', 'retries: {attempts: 2, retryOn: 5xx}'],
  ])('counts a body without length on its way, %s', async (_name, route) => {
    const bodies: (number | 'cut')[] = [];
    handler = (request, response) => {
      let length = 0;
      request.on('data', (chunk: Buffer) => (length += chunk.length));
      request.on('end', () => {
        bodies.push(length);
        response.end('whole');
      });
      request.on('error', () => bodies.push('cut'));
    };
    await use(bounded, route);
    expect(await upload([KIB, KIB])).toMatchObject({ status: 200, body: 'whole' });
    expect(await upload([KIB, KIB, KIB])).toMatchObject({
      status: 413,
      body: 'payload too large',
    });
    expect(bodies.filter((length) => length !== 'cut')).toEqual([2048]);
  });

  it('cuts off a response that has begun when the body goes past its bound', async () => {
    handler = (request, response) => {
      request.resume().on('error', () => undefined);
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('begun');
      request.on('end', () => response.end('done'));
    };
    await use(bounded);
    let begun = (): void => undefined;
    const isBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const answer = await upload(
      [KIB, KIB, KIB],
      async (sent) => {
        if (sent === 1) await isBegun;
      },
      begun,
    );
    expect(answer).toMatchObject({ status: 200, isCut: true });
    expect(answer.body).not.toContain('done');
  });

  it('forwards a GET of unknown length without its body, so that nothing passes uncounted', async () => {
    let length = -1;
    handler = (request, response) => {
      length = 0;
      request.on('data', (chunk: Buffer) => (length += chunk.length));
      request.on('end', () => response.end('ok'));
    };
    await use(bounded);
    const { hostname, port: at } = new URL(gateway.url);
    const status = await new Promise<number>((resolve, reject) => {
      const headers = { 'transfer-encoding': 'chunked' };
      const sent = send({ hostname, port: at, path: '/', headers, agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      sent.on('error', reject);
      sent.end(Buffer.alloc(4096));
    });
    expect([status, length]).toEqual([200, 0]);
  });

  it('takes the listed types of bodies, and asks nothing of requests without one', async () => {
    await use(policy('typed', '{body: {contentTypes: [application/json, "image/*"]}}'));
    const post = async (type: string): Promise<number> => {
      const headers = { 'content-type': type };
      return (await fetch(`${gateway.url}/`, { method: 'POST', headers, body: '{}' })).status;
    };
    expect(await post('Application/JSON; charset=utf-8')).toBe(200);
    expect(await post('image/png')).toBe(200);
    expect(await post('text/plain')).toBe(415);
    expect((await fetch(`${gateway.url}/`)).status).toBe(200);
    expect((await fetch(`${gateway.url}/`, { method: 'POST' })).status).toBe(200);
    expect((await upload([Buffer.from('{}')])).status).toBe(415);
  });
});
