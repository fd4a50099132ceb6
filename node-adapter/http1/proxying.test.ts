/** HTTP/1.1 from a socket to a socket, byte by byte. */
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import type { Socket } from 'node:net';
import type { TestBackend, TestProxy, TestProxyOptions } from '../../test/fixtures/node-proxy.ts';
import {
  gatewayBefore,
  rawClient,
  rawExchange,
  startBackend,
  startTestProxy,
} from '../../test/fixtures/node-proxy.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-CaSe: Kept\r\n\r\nok';

type Answer = (socket: Socket, received: string) => void;

async function before(
  answer: Answer,
  options: Partial<TestProxyOptions> & { readonly rules?: string; readonly more?: string } = {},
): Promise<{ proxy: TestProxy; backend: TestBackend }> {
  const backend = await startBackend(answer);
  open.push(backend);
  const proxy = await startTestProxy({
    yaml: gatewayBefore(backend.port, options.rules) + (options.more ?? ''),
    ...options,
  });
  open.push(proxy);
  return { proxy, backend };
}

const onHeadEnd =
  (text: string): Answer =>
  (socket, received) => {
    if (received.endsWith('\r\n\r\n')) socket.write(text, 'latin1');
  };

const get = (path = '/', more = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: shop.test\r\n${more}\r\n`;

describe.each(['onread', 'data'] as const)('read by %s', (mode) => {
  it('keeps case and order of fields both ways, and strips what is of the hop', async () => {
    const { proxy, backend } = await before(
      onHeadEnd(
        'HTTP/1.1 200 Fine\r\nX-Zeta: 1\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-Alpha: 2\r\nContent-Length: 0\r\n\r\n',
      ),
      { mode },
    );
    const client = rawClient(proxy.port);
    client.write(get('/a', 'X-Zeta: 1\r\nconnection: x-drop\r\nX-Drop: 1\r\nX-ALPHA: 2\r\n'));
    const answer = await client.until(/\r\n\r\n/);
    expect(answer).toMatch(
      /^HTTP\/1\.1 200 Fine\r\nX-Zeta: 1\r\nX-Alpha: 2\r\nContent-Length: 0\r\n/,
    );
    expect(answer).not.toMatch(/hop/i);
    const [seen = ''] = backend.received;
    expect(seen).toMatch(/^GET \/a HTTP\/1\.1\r\nHost: shop\.test\r\nX-Zeta: 1\r\nX-ALPHA: 2\r\n/);
    expect(seen).not.toMatch(/drop/i);
    client.socket.destroy();
  });

  it('goes by a target in absolute form, and refuses one against Host', async () => {
    const { proxy, backend } = await before(onHeadEnd(OK), { mode });
    const client = rawClient(proxy.port);
    client.write('GET http://Named.test/a?b HTTP/1.1\r\nHost: named.test\r\nX-A: 1\r\n\r\n');
    expect(await client.until(/ok$/)).toMatch(/^HTTP\/1\.1 200 /);
    expect(backend.received[0]).toMatch(/^GET \/a\?b HTTP\/1\.1\r\nHost: named\.test\r\n/i);
    client.write('GET http://named.test/a HTTP/1.1\r\nHost: other.test\r\n\r\n');
    expect(await client.until(/host_mismatch|\r\n\r\n[^]*\r\n\r\n/)).toMatch(/HTTP\/1\.1 400 /);
    expect(backend.received.join('')).not.toContain('other.test');
  });

  it('answers pipelined requests in their order over one connection', async () => {
    const { proxy } = await before(
      (socket, received) => {
        const path =
          /GET (\/\S*) [^]*$/.exec(received.slice(received.lastIndexOf('GET ')))?.[1] ?? '';
        setTimeout(
          () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`),
          path === '/1' ? 20 : 0,
        );
      },
      { mode },
    );
    const client = rawClient(proxy.port);
    client.write(get('/1') + get('/2') + get('/3'));
    const text = await client.until(/\/3$/);
    expect([...text.matchAll(/\r\n\r\n(\/\d)/g)].map(([, path]) => path)).toEqual([
      '/1',
      '/2',
      '/3',
    ]);
    client.socket.destroy();
  });

  it('answers a request once that is refused by two at the same time', async () => {
    const { proxy } = await before(() => undefined, {
      mode,
      more: `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: back}
spec: {host: back.test, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}}
`,
    });
    const others = [rawClient(proxy.port), rawClient(proxy.port)];
    for (const [index, other] of others.entries()) {
      other.write(get());
      await expect
        .poll(() => proxy.upstreams.stats()[0]?.pool)
        .toMatchObject({ connections: 1, waiting: index });
    }
    // The pool overflows, and the body that came with the head is broken.
    const broken = 'POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n';
    const answer = await rawExchange(proxy.port, broken);
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(proxy.faults).toEqual([]);
    for (const other of others) other.socket.destroy();
  });

  it('says that it closes behind an answer that came before the body', async () => {
    const { proxy } = await before(
      onHeadEnd('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n'),
      { mode },
    );
    const client = rawClient(proxy.port);
    client.write('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10\r\n\r\n');
    expect(await client.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 413 [^]*Connection: close\r\n/i);
    client.socket.destroy();
  });

  it('takes a head that comes byte by byte', async () => {
    const { proxy } = await before(onHeadEnd(OK), { mode });
    const client = rawClient(proxy.port);
    for (const char of get('/slow')) {
      client.write(char);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    expect(await client.until(/ok$/)).toContain('X-CaSe: Kept');
    client.socket.destroy();
  });
});

describe('bodies', () => {
  const echo: Answer = (socket, received) => {
    if (received.endsWith('0\r\nX-Sum: 7\r\n\r\n'))
      socket.write(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-After: 1\r\n\r\n',
      );
  };

  it('pass chunked with their trailers both ways', async () => {
    const { proxy, backend } = await before(echo);
    const client = rawClient(proxy.port);
    client.write(
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n000a\r\n0123456789\r\n0\r\nX-Sum: 7\r\n\r\n',
    );
    expect(await client.until(/X-After: 1\r\n\r\n$/)).toContain(
      '\r\n3\r\nabc\r\n0\r\nX-After: 1\r\n\r\n',
    );
    expect(backend.received[0]).toContain(
      '\r\n\r\n5\r\nhello\r\na\r\n0123456789\r\n0\r\nX-Sum: 7\r\n\r\n',
    );
    client.socket.destroy();
  });

  it('of a client of HTTP/1.0 end with the connection', async () => {
    const { proxy } = await before(
      onHeadEnd('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'),
    );
    const text = await rawExchange(proxy.port, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n');
    expect(text).toMatch(/\r\n\r\nabc$/);
    expect(text).not.toMatch(/transfer-encoding/i);
    expect(text).toMatch(/connection: close/i);
  });

  it('without length from the upstream end with its connection, and come chunked', async () => {
    const { proxy } = await before((socket, received) => {
      if (!received.endsWith('\r\n\r\n')) return;
      socket.end('HTTP/1.1 200 OK\r\n\r\nall of it');
    });
    const client = rawClient(proxy.port);
    client.write(get());
    expect(await client.until(/0\r\n\r\n$/)).toMatch(
      /transfer-encoding: chunked\r\n\r\n9\r\nall of it\r\n0\r\n\r\n$/,
    );
    client.socket.destroy();
  });

  it('that the upstream breaks off are never made whole', async () => {
    const { proxy } = await before((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
      setTimeout(() => socket.destroy(), 10);
    });
    const client = rawClient(proxy.port);
    client.write(get());
    const text = await client.closed;
    expect(text).toMatch(/half$/);
  });

  it('are none where a response has none', async () => {
    const { proxy } = await before((socket, received) => {
      const isHead = !received.includes('GET');
      socket.write(
        isHead ? 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n' : 'HTTP/1.1 204 No Content\r\n\r\n',
      );
    });
    const client = rawClient(proxy.port);
    client.write('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until(/\r\n\r\n/);
    client.write(get());
    expect(await client.until(/204[^]*\r\n\r\n/)).toMatch(
      /Content-Length: 9\r\n\r\nHTTP\/1\.1 204/,
    );
    client.socket.destroy();
  });

  it('of a slow client and a fast upstream are bounded in memory', async () => {
    const size = 64 * 1024 * 1024;
    const { proxy, backend } = await before((socket, received) => {
      if (!received.endsWith('\r\n\r\n')) return;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      const chunk = Buffer.alloc(1024 * 1024, 'x');
      let sent = 0;
      const more = (): void => {
        while (sent < size) {
          sent += chunk.length;
          if (!socket.write(chunk)) {
            socket.once('drain', more);
            return;
          }
        }
      };
      more();
    });
    const client = rawClient(proxy.port);
    client.socket.pause();
    client.write(get());
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
    const [upstream] = backend.sockets;
    expect(upstream?.writableNeedDrain).toBe(true);
    let got = 0;
    client.socket.removeAllListeners('data');
    client.socket.on('data', (chunk: Buffer) => {
      got += chunk.length;
      if (got >= size) client.socket.destroy();
    });
    client.socket.resume();
    await client.closed;
    expect(got).toBeGreaterThan(size);
  });
});

describe('100 Continue', () => {
  const expecting =
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n';

  it('is said when the body is wanted', async () => {
    const { proxy, backend } = await before((socket, received) => {
      if (received.endsWith('hi')) socket.write(OK);
    });
    const client = rawClient(proxy.port);
    client.write(expecting);
    await client.until(/100 Continue\r\n\r\n/);
    client.write('hi');
    expect(await client.until(/ok$/)).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200/);
    expect(backend.received[0]).not.toMatch(/expect/i);
    client.socket.destroy();
  });

  it('is not said when the request is refused', async () => {
    const { proxy } = await before(onHeadEnd(OK), {
      rules: '[{directResponse: {status: 413}}]',
    });
    const client = rawClient(proxy.port);
    client.write(expecting);
    expect(await client.closed).toMatch(/^HTTP\/1\.1 413 [^]*connection: close/i);
  });
});

describe('upgrades', () => {
  const ask = get('/chat', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n');

  it('to WebSocket carry bytes both ways until either side ends', async () => {
    const { proxy } = await before((socket, received) => {
      if (received.endsWith('\r\n\r\n'))
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello',
        );
      else if (received.endsWith('bye')) socket.end('bye too');
    });
    const client = rawClient(proxy.port);
    client.write(ask);
    expect(await client.until(/hello$/)).toMatch(/^HTTP\/1\.1 101 [^]*upgrade: websocket\r\n/i);
    client.write('bye');
    expect(await client.closed).toMatch(/bye too$/);
  });

  it('to other protocols are not asked for', async () => {
    const { proxy, backend } = await before(onHeadEnd(OK));
    const client = rawClient(proxy.port);
    client.write(
      get('/', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n'),
    );
    await client.until(/ok$/);
    expect(backend.received[0]).not.toMatch(/upgrade|http2/i);
    client.socket.destroy();
  });

  it('that the upstream grants unasked are a protocol error', async () => {
    const { proxy } = await before(onHeadEnd('HTTP/1.1 101 Sure\r\n\r\n'));
    const client = rawClient(proxy.port);
    client.write(get());
    expect(await client.until(/protocol error/)).toMatch(/^HTTP\/1\.1 502/);
    client.socket.destroy();
  });
});

describe('connections', () => {
  it('to the upstream are kept and used again', async () => {
    const { proxy, backend } = await before(onHeadEnd(OK));
    const client = rawClient(proxy.port);
    for (const count of [1, 2, 3]) {
      client.write(get());
      await client.until(new RegExp(`(?:[^]*ok){${count}}$`));
    }
    expect(backend.sockets).toHaveLength(1);
    client.socket.destroy();
  });

  it('that the upstream closed meanwhile cost no request', async () => {
    const { proxy, backend } = await before((socket, received) => {
      if (received.endsWith('\r\n\r\n')) {
        if (backend.sockets.length === 1 && received.split('GET').length === 3) socket.destroy();
        else socket.write(OK);
      }
    });
    const client = rawClient(proxy.port);
    client.write(get());
    await client.until(/ok$/);
    client.write(get());
    expect(await client.until(/ok[^]*ok$/)).toMatch(/ok[^]*200 OK[^]*ok$/);
    expect(backend.sockets).toHaveLength(2);
    client.socket.destroy();
  });

  it.each([
    ['as many as there are', ''],
    [
      'no more than are allowed',
      `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: back}
spec: {host: back.test, trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}}
`,
    ],
  ])('that all died with their upstream cost no request: %s', async (_, more) => {
    let asked = 0;
    const { proxy, backend } = await before(
      (socket, received) => {
        if (!received.endsWith('\r\n\r\n')) return;
        asked++;
        if (received.split('GET').length === 3) socket.destroy();
        // Both of the first two are asked before either is answered.
        else if (asked === 2) for (const one of backend.sockets) one.write(OK);
        else if (asked > 2) socket.write(OK);
      },
      { more },
    );
    const clients = [rawClient(proxy.port), rawClient(proxy.port)];
    for (const client of clients) client.write(get());
    await Promise.all(clients.map((client) => client.until(/ok$/)));
    expect(backend.sockets).toHaveLength(2);
    clients[0]?.write(get());
    expect(await clients[0]?.until(/ok[^]*ok$/)).toMatch(/ok[^]*200 OK[^]*ok$/);
    expect(backend.sockets).toHaveLength(3);
    for (const client of clients) client.socket.destroy();
  });

  it('that carry more than was asked for are not used again', async () => {
    const { proxy, backend } = await before(
      onHeadEnd(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`),
    );
    const client = rawClient(proxy.port);
    client.write(get());
    await client.until(/ok$/);
    client.write(get());
    const text = await client.until(/ok[^]*ok$/);
    expect(text).not.toContain('evil');
    expect(backend.sockets).toHaveLength(2);
    client.socket.destroy();
  });

  it('of a client that went away end the attempt', async () => {
    const { proxy, backend } = await before(() => undefined);
    const client = rawClient(proxy.port);
    client.write(get());
    while (backend.received[0] === undefined || backend.received[0] === '')
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
    const ended = new Promise((resolve) => {
      backend.sockets[0]?.on('end', resolve);
    });
    await new Promise((resolve) => {
      setTimeout(resolve, 150);
    });
    client.socket.destroy();
    await ended;
    expect(proxy.lines.at(-1)).toContain('"cancelled":true');
  });

  it('that are half-closed behind a request are answered', async () => {
    const { proxy } = await before(onHeadEnd(OK));
    expect(await rawExchange(proxy.port, get())).toMatch(/connection: close\r\n\r\nok$/i);
  });

  it('end behind their answers when the proxy drains', async () => {
    const { proxy } = await before((socket, received) => {
      if (received.endsWith('\r\n\r\n')) setTimeout(() => socket.write(OK), 50);
    });
    const idle = rawClient(proxy.port);
    const busy = rawClient(proxy.port);
    busy.write(get());
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    proxy.drain();
    expect(await idle.closed).toBe('');
    expect(await busy.closed).toMatch(/connection: close\r\n\r\nok$/i);
  });

  it('refused by the upstream are 503 with the flag UF', async () => {
    const { proxy, backend } = await before(onHeadEnd(OK));
    backend.close();
    const text = await rawExchange(proxy.port, get());
    expect(text).toMatch(/^HTTP\/1\.1 503 [^]*remote connection failure$/);
    expect(proxy.lines.at(-1)).toContain('"flags":"URX,UF"');
  });
});

describe('timers', () => {
  it.each<[string, string, RegExp, Partial<TestProxyOptions['limits']>]>([
    [
      'a head that does not end',
      'GET / HTTP/1.1\r\nHost: a\r\n',
      /^HTTP\/1\.1 408/,
      { headTimeoutMs: 100 },
    ],
    [
      'a body that does not come',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n12',
      /^HTTP\/1\.1 408/,
      { bodyTimeoutMs: 100 },
    ],
    ['a connection without a request', '', /^$/, { headTimeoutMs: 100 }],
  ])('%s is given up', async (_name, text, wanted, limits) => {
    const { proxy } = await before(() => undefined, { limits: limits ?? {} });
    const client = rawClient(proxy.port);
    client.write(text);
    expect(await client.closed).toMatch(wanted);
  });

  it('a kept connection is closed when it idles', async () => {
    const { proxy } = await before(onHeadEnd(OK), { limits: { keepAliveTimeoutMs: 100 } });
    const client = rawClient(proxy.port);
    client.write(get());
    expect(await client.closed).toMatch(/ok$/);
  });

  it('requests of one connection are counted', async () => {
    const { proxy } = await before(onHeadEnd(OK), { limits: { keepAliveRequests: 2 } });
    const client = rawClient(proxy.port);
    client.write(get() + get() + get());
    const text = await client.closed;
    expect(text.match(/200 OK/g)).toHaveLength(2);
    expect(text).toMatch(/connection: close\r\n\r\nok$/i);
  });
});

describe('many requests of one read', () => {
  const NO_ROUTE =
    '[{match: [{uri: {prefix: /there}}], route: [{destination: {host: back.test}}]}]';

  it('are all answered, in turns with those of others', async () => {
    const { proxy } = await before(onHeadEnd(OK), { rules: NO_ROUTE });
    const greedy = rawClient(proxy.port);
    const modest = rawClient(proxy.port);
    const count = 1000;
    // Both connections stand, so that the next turn of the loop finds bytes on both.
    await Promise.all([greedy, modest].map(({ socket }) => once(socket, 'connect')));
    let before200 = -1;
    modest.socket.once('data', () => {
      before200 = greedy.text.split('HTTP/1.1 404').length - 1;
    });
    greedy.write(get('/none').repeat(count));
    modest.write(get('/there'));
    await modest.until(/ok$/);
    await expect.poll(() => greedy.text.split('HTTP/1.1 404').length).toBe(count + 1);
    expect(before200).toBeLessThan(count);
    for (const client of [greedy, modest]) client.socket.destroy();
  });
});
