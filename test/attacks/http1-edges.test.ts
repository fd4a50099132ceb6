/** Clients and backends that stop, stall, trickle and leave in the middle: who is told, and what the backend saw. */
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  gatewayBefore,
  rawClient,
  rawExchange,
  startBackend,
  startTestProxy,
} from '../fixtures/node-proxy.ts';
import type { TestBackend, TestProxy, TestProxyOptions } from '../fixtures/node-proxy.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

type Answer = (socket: Socket, received: string) => void;

async function backend(answer: Answer): Promise<TestBackend> {
  const made = await startBackend(answer);
  open.push(made);
  return made;
}

async function proxyBefore(
  yaml: string,
  options: Partial<TestProxyOptions> = {},
): Promise<TestProxy> {
  const proxy = await startTestProxy({ yaml, ...options });
  open.push(proxy);
  return proxy;
}

const settle = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

async function eventually(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !holds(); i++) await settle(10);
  expect(holds()).toBe(true);
}

const bodyOf = (text = ''): string => text.slice(text.indexOf('\r\n\r\n') + 4);

/** Answers when the body of the last request on the connection is whole. */
const whenWhole =
  (answer: string): Answer =>
  (socket, received) => {
    const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
    const isWhole = /transfer-encoding/i.test(received)
      ? received.endsWith('0\r\n\r\n')
      : bodyOf(received).length >= length;
    if (isWhole) socket.write(answer);
  };

const post = (fields: string, body = '', method = 'POST'): string =>
  `${method} / HTTP/1.1\r\nHost: shop.test\r\n${fields}\r\n${body}`;

describe('a client that goes away', () => {
  it.each([
    ['a length', 'Content-Length: 10\r\n', 'hello'],
    ['chunks', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n'],
  ])('within a body of %s leaves no whole request', async (_name, fields, body) => {
    const back = await backend(() => undefined);
    const proxy = await proxyBefore(gatewayBefore(back.port));
    const client = rawClient(proxy.port);
    client.write(post(fields, body));
    await eventually(() => back.received[0]?.includes('hello') === true);
    client.socket.destroy();
    await eventually(() => back.sockets[0]?.readableEnded === true);
    expect(bodyOf(back.received[0])).toBe(body);
    expect(proxy.upstreams.stats()[0]?.pool.connections).toBe(0);
  });

  it('within a response ends the attempt', async () => {
    const back = await backend((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    });
    const proxy = await proxyBefore(gatewayBefore(back.port));
    const client = rawClient(proxy.port);
    client.write(post(''));
    await client.until(/half$/);
    // One that ends at once may only have half-closed behind its request.
    await settle(150);
    client.socket.destroy();
    await eventually(
      () => back.sockets[0]?.readableEnded === true || back.sockets[0]?.closed === true,
    );
    expect(proxy.lines.at(-1)).toContain('"cancelled":true');
  });
});

describe('a backend that goes away', () => {
  it('within a body that ends with the connection resets a client of HTTP/1.0', async () => {
    const back = await backend((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
      setTimeout(() => socket.destroy(), 30);
    });
    const proxy = await proxyBefore(gatewayBefore(back.port));
    const client = rawClient(proxy.port);
    const failed = new Promise<Error>((resolve) => {
      client.socket.on('error', resolve);
    });
    client.write('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
    expect(await failed).toMatchObject({ code: 'ECONNRESET' });
    expect(client.text).toMatch(/half$/);
  });
});

describe('back-pressure', () => {
  it('of a slow backend reaches the client, and nothing is lost', async () => {
    const size = 32 * 1024 * 1024;
    let got = 0;
    const back = await backend(() => undefined);
    const proxy = await proxyBefore(gatewayBefore(back.port));
    const client = rawClient(proxy.port);
    client.write(post(`Content-Length: ${size}\r\n`));
    await eventually(() => back.received[0]?.endsWith('\r\n\r\n') === true);
    const [upstream] = back.sockets;
    upstream?.removeAllListeners('data');
    upstream?.pause();
    let acknowledged = false;
    client.socket.write(Buffer.alloc(size, 'x'), () => {
      acknowledged = true;
    });
    await settle(300);
    expect(acknowledged).toBe(false);
    upstream?.on('data', (chunk: Buffer) => {
      got += chunk.length;
      if (got === size) upstream.write(OK);
    });
    upstream?.resume();
    expect(await client.until(/ok$/)).toMatch(/^HTTP\/1\.1 200/);
    expect(got).toBe(size);
    client.socket.destroy();
  });

  it('does not outlive an answer that came before the body was read', async () => {
    const back = await backend((socket, received) => {
      if (socket.isPaused()) return;
      if (received.includes('GET /next')) {
        socket.write(OK);
        return;
      }
      // It has heard enough, and reads the rest later.
      socket.pause();
      setTimeout(() => socket.write(OK), 200);
      setTimeout(() => socket.resume(), 400);
    });
    const proxy = await proxyBefore(gatewayBefore(back.port));
    const client = rawClient(proxy.port);
    const size = 6 * 1024 * 1024;
    client.write(post(`Content-Length: ${size}\r\n`, 'x'.repeat(size)));
    await client.until(/ok$/);
    client.write('GET /next HTTP/1.1\r\nHost: shop.test\r\n\r\n');
    const text = await client.until(/ok[^]*ok$/);
    // Answered, or told that the connection is over: never left alone.
    expect(text.includes('okHTTP/1.1 200') || client.socket.closed).toBe(true);
    client.socket.destroy();
  });
});

describe('a body that may be sent again', () => {
  const RULES = (attempts: number, more = ''): string =>
    `[{route: [{destination: {host: back.test}}], retries: {attempts: ${attempts}, retryOn: '5xx,reset'}${more}}]`;
  const failingOnce = (): { readonly answer: Answer; readonly tries: () => number } => {
    let tries = 0;
    return {
      answer: (socket, received) => {
        whenWhole('')(
          {
            write: () => {
              tries++;
              socket.end(
                tries === 1
                  ? 'HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
                  : OK,
              );
              return true;
            },
          } as unknown as Socket,
          received,
        );
      },
      tries: () => tries,
    };
  };

  it.each([
    ['PUT', 'Content-Length: 5\r\n', 'hello', 'hello'],
    ['POST', 'Content-Length: 5\r\n', 'hello', 'hello'],
    ['PUT', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n', '5\r\nhello\r\n0\r\n\r\n'],
    ['POST', 'Transfer-Encoding: chunked\r\n', '0\r\n\r\n', '0\r\n\r\n'],
    ['POST', 'Content-Length: 60000\r\n', 'x'.repeat(60_000), 'x'.repeat(60_000)],
  ])('of a %s is the same at both tries (%s)', async (method, fields, body, wanted) => {
    const { answer, tries } = failingOnce();
    const back = await backend(answer);
    const proxy = await proxyBefore(gatewayBefore(back.port, RULES(2)));
    const client = rawClient(proxy.port);
    client.write(post(fields, body, method));
    expect(await client.until(/ok$|\r\n\r\n$/)).toMatch(/^HTTP\/1\.1 200/);
    expect(tries()).toBe(2);
    expect(back.received.map(bodyOf)).toEqual([wanted, wanted]);
    client.socket.destroy();
  });

  it('is none where it is too large to be kept', async () => {
    const { answer, tries } = failingOnce();
    const back = await backend(answer);
    const proxy = await proxyBefore(gatewayBefore(back.port, RULES(2)));
    const client = rawClient(proxy.port);
    client.write(post('Content-Length: 200000\r\n', 'x'.repeat(200_000), 'PUT'));
    expect(await client.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 503/);
    expect(tries()).toBe(1);
    expect(bodyOf(back.received[0])).toHaveLength(200_000);
    client.socket.destroy();
  });
});

/** Two services more: copies go to one, questions to the other. */
const service = (name: string, port: number): string => `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}}
spec: {hosts: [${name}.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.1, ports: {http: ${port}}}]}
`;

describe('a copy', () => {
  const RULES = `[{route: [{destination: {host: back.test}}], mirrors: [{destination: {host: copy.test}}, {destination: {host: copy.test}}]}]`;

  it.each([
    ['a length', 'Content-Length: 5\r\n', 'hello', 'hello'],
    [
      'chunks',
      'Transfer-Encoding: chunked\r\n',
      '5\r\nhello\r\n0\r\n\r\n',
      '5\r\nhello\r\n0\r\n\r\n',
    ],
    ['chunks of nothing', 'Transfer-Encoding: chunked\r\n', '0\r\n\r\n', '0\r\n\r\n'],
    ['nothing', 'Content-Length: 0\r\n', '', ''],
    ['60,000 bytes', 'Content-Length: 60000\r\n', 'x'.repeat(60_000), 'x'.repeat(60_000)],
  ])('of a request with %s has the same body', async (_name, fields, body, wanted) => {
    const back = await backend(whenWhole(OK));
    const copy = await backend(whenWhole(OK));
    const proxy = await proxyBefore(gatewayBefore(back.port, RULES) + service('copy', copy.port));
    const client = rawClient(proxy.port);
    client.write(post(fields, body));
    expect(await client.until(/ok$/)).toMatch(/^HTTP\/1\.1 200/);
    await eventually(
      () => copy.received.length === 2 && copy.received.every((text) => bodyOf(text) === wanted),
    );
    expect(bodyOf(back.received[0])).toBe(wanted);
    client.socket.destroy();
  });

  it('takes nothing from the request itself, however much came before it could be sent', async () => {
    const size = 120_000;
    const back = await backend(whenWhole(OK));
    const copy = await backend(whenWhole(OK));
    const proxy = await proxyBefore(gatewayBefore(back.port, RULES) + service('copy', copy.port));
    const client = rawClient(proxy.port);
    client.write(post(`Content-Length: ${size}\r\n`, 'x'.repeat(size)));
    expect(await client.until(/ok$/)).toMatch(/^HTTP\/1\.1 200/);
    expect(bodyOf(back.received[0])).toHaveLength(size);
    await settle(50);
    // Whole, or not at all: the rest of one would be the beginning of another.
    for (const text of copy.received) expect(bodyOf(text)).toHaveLength(size);
    client.socket.destroy();
  });
});

describe('an authorizer that wants the body', () => {
  const settings = `---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    extensionProviders:
    - name: gate
      envoyExtAuthzHttp: {service: gate.test, port: 80, includeRequestBodyInCheck: {maxRequestBytes: 100000, allowPartialMessage: true}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask}
spec: {selector: {matchLabels: {app: front}}, action: CUSTOM, provider: {name: gate}, rules: [{}]}
`;
  const asked = async (
    answer: string,
  ): Promise<{ proxy: TestProxy; back: TestBackend; gate: TestBackend }> => {
    const back = await backend(whenWhole(OK));
    const gate = await backend(whenWhole(answer));
    const yaml = gatewayBefore(back.port) + service('gate', gate.port) + settings;
    return { proxy: await proxyBefore(yaml), back, gate };
  };

  it.each([
    ['a length', 'Content-Length: 5\r\n', 'hello', 'hello'],
    [
      'chunks',
      'Transfer-Encoding: chunked\r\n',
      '5\r\nhello\r\n0\r\n\r\n',
      '5\r\nhello\r\n0\r\n\r\n',
    ],
    ['chunks of nothing', 'Transfer-Encoding: chunked\r\n', '0\r\n\r\n', '0\r\n\r\n'],
    ['200,000 bytes', 'Content-Length: 200000\r\n', 'x'.repeat(200_000), 'x'.repeat(200_000)],
  ])('of %s leaves it to the backend whole', async (_name, fields, body, wanted) => {
    const { proxy, back, gate } = await asked(OK);
    const client = rawClient(proxy.port);
    client.write(post(fields, body));
    expect(await client.until(/ok$/)).toMatch(/^HTTP\/1\.1 200/);
    expect(bodyOf(back.received[0])).toBe(wanted);
    expect(gate.received).toHaveLength(1);
    client.socket.destroy();
  });

  it('tells the client to go on, and keeps what is refused from the backend', async () => {
    const { proxy, back, gate } = await asked('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n');
    const client = rawClient(proxy.port);
    client.write(post('Content-Length: 5\r\nExpect: 100-continue\r\n'));
    await client.until(/100 Continue\r\n\r\n/);
    client.write('hello');
    expect(await client.until(/403/)).toMatch(/HTTP\/1\.1 403/);
    expect(bodyOf(gate.received[0])).toBe('hello');
    expect(back.received).toEqual([]);
    client.socket.destroy();
  });
});

describe('a body beyond its bound', () => {
  const policy = `---
apiVersion: lateen.io/v1
kind: Policy
metadata: {name: small}
spec: {selector: {matchLabels: {app: front}}, body: {maxBytes: 10}}
`;

  it.each([
    ['by its length', 'Content-Length: 11\r\n', 'hello world', ''],
    [
      'by its chunks',
      'Transfer-Encoding: chunked\r\n',
      '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n',
      '',
    ],
    [
      'by many small chunks',
      'Transfer-Encoding: chunked\r\n',
      `${'1\r\nx\r\n'.repeat(1000)}0\r\n\r\n`,
      '',
    ],
  ])('%s is 413, and no whole request reaches the backend', async (_name, fields, body) => {
    const back = await backend(whenWhole(OK));
    const proxy = await proxyBefore(gatewayBefore(back.port) + policy, {
      limits: { lingerTimeoutMs: 200 },
    });
    const client = rawClient(proxy.port);
    client.write(post(fields));
    await settle(20);
    client.write(`${body}GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n`);
    expect(await client.closed).toMatch(/^HTTP\/1\.1 413 [^]*payload too large$/);
    const seen = back.received.join('');
    expect(seen).not.toMatch(/0\r\n\r\n$|smuggled| world/);
  });

  it('within it passes', async () => {
    const back = await backend(whenWhole(OK));
    const proxy = await proxyBefore(gatewayBefore(back.port) + policy);
    const client = rawClient(proxy.port);
    client.write(post('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n'));
    expect(await client.until(/ok$/)).toMatch(/^HTTP\/1\.1 200/);
    client.socket.destroy();
  });
});

describe('a client that trickles', () => {
  const trickle = async (
    text: string,
    before: string,
    limits: TestProxyOptions['limits'],
  ): Promise<{ answer: string; ms: number; seen: string }> => {
    const back = await backend(whenWhole(OK));
    const proxy = await proxyBefore(gatewayBefore(back.port), { limits: limits ?? {} });
    const client = rawClient(proxy.port);
    client.write(before);
    const startMs = performance.now();
    for (const char of text) {
      if (client.socket.closed || client.text !== '') break;
      client.write(char);
      await settle(40);
    }
    const answer = await client.until(/\r\n\r\n/);
    client.socket.destroy();
    return { answer, ms: performance.now() - startMs, seen: back.received.join('') };
  };

  it('its head is given up in time, however it goes on', async () => {
    const { answer, ms, seen } = await trickle(
      `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(20)}`,
      '',
      {
        headTimeoutMs: 400,
      },
    );
    expect(answer).toMatch(/^HTTP\/1\.1 408/);
    expect(ms).toBeLessThan(1500);
    expect(seen).toBe('');
  });

  it('a size of a chunk is given up too', async () => {
    const { answer, ms } = await trickle('00000000000005', post('Transfer-Encoding: chunked\r\n'), {
      bodyTimeoutMs: 200,
    });
    expect(answer).toMatch(/^HTTP\/1\.1 408/);
    expect(ms).toBeLessThan(1200);
  });

  it('its body may take its time while some of it comes', async () => {
    const { answer, ms, seen } = await trickle('0123456789', post('Content-Length: 10\r\n'), {
      bodyTimeoutMs: 300,
    });
    expect(answer).toMatch(/^HTTP\/1\.1 200/);
    expect(ms).toBeGreaterThan(350);
    expect(bodyOf(seen)).toBe('0123456789');
  });
});

describe('time', () => {
  it('that no backend keeps is 504', async () => {
    const back = await backend(() => undefined);
    const proxy = await proxyBefore(gatewayBefore(back.port), {
      limits: { streamIdleTimeoutMs: 200 },
    });
    expect(await rawExchange(proxy.port, post(''))).toMatch(/^HTTP\/1\.1 504/);
    await eventually(() => back.sockets[0]?.readableEnded === true);
  });

  it('is given to 300 idle connections, and taken from them', async () => {
    const back = await backend((socket, received) => {
      if (received.endsWith('\r\n\r\n')) socket.write(OK);
    });
    const proxy = await proxyBefore(gatewayBefore(back.port), {
      limits: { keepAliveTimeoutMs: 600, headTimeoutMs: 600 },
    });
    const clients = Array.from({ length: 300 }, () => rawClient(proxy.port));
    for (const client of clients.slice(0, 150)) client.write(post(''));
    await Promise.all(clients.slice(0, 150).map((client) => client.until(/ok$/)));
    const texts = await Promise.all(clients.map(({ closed }) => closed));
    expect(texts.filter((text) => text.endsWith('ok'))).toHaveLength(150);
    expect(texts.filter((text) => text === '')).toHaveLength(150);
  });
});

describe('a connection that was switched', () => {
  const ASK =
    'GET /chat HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const GRANT =
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

  it('carries all that the client sent too early', async () => {
    const size = 300_000;
    const back = await backend((socket, received) => {
      if (received.endsWith('\r\n\r\n')) setTimeout(() => socket.write(GRANT), 100);
      else if (bodyOf(received).length === size) socket.write('all');
    });
    const proxy = await proxyBefore(gatewayBefore(back.port));
    const client = rawClient(proxy.port);
    client.write(ASK + 'x'.repeat(size));
    expect(await client.until(/all$/)).toMatch(/^HTTP\/1\.1 101/);
    expect(bodyOf(back.received[0])).toBe('x'.repeat(size));
    client.socket.destroy();
  });

  it('goes on while either side speaks, and ends when neither does', async () => {
    const back = await backend((socket, received) => {
      if (received.endsWith('\r\n\r\n')) socket.write(GRANT);
    });
    const proxy = await proxyBefore(gatewayBefore(back.port), {
      limits: { streamIdleTimeoutMs: 300 },
    });
    const client = rawClient(proxy.port);
    client.write(ASK);
    await client.until(/\r\n\r\n/);
    for (let i = 0; i < 12; i++) {
      client.write('x');
      await settle(50);
    }
    expect(client.socket.closed).toBe(false);
    await client.closed;
    await eventually(() => bodyOf(back.received[0]) === 'x'.repeat(12));
  });

  it('ends at the backend when the backend has ended it', async () => {
    const back = await backend((socket, received) => {
      if (received.endsWith('\r\n\r\n')) socket.end(`${GRANT}bye`);
    });
    const proxy = await proxyBefore(gatewayBefore(back.port));
    const client = rawClient(proxy.port);
    client.write(ASK);
    expect(await client.closed).toMatch(/bye$/);
    await eventually(() => back.sockets[0]?.readableEnded === true);
    await eventually(() => proxy.upstreams.stats()[0]?.pool.connections === 0);
  });
});
