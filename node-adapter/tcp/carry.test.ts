import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectSecure, createServer as createSecureServer } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { rawClient, rawExchange, startBackend } from '../../test/fixtures/node-proxy.ts';
import type { TestBackend } from '../../test/fixtures/node-proxy.ts';
import { cluster, clusterName } from '../../test/fixtures/snapshots.ts';
import { startCarriedProxy } from '../../test/fixtures/tcp-proxy.ts';
import type { CarriedOptions, CarriedProxy } from '../../test/fixtures/tcp-proxy.ts';
import { certificatePem, keyPem } from '../../test/fixtures/certificates.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function backend(answer: Parameters<typeof startBackend>[0]): Promise<TestBackend> {
  const made = await startBackend(answer);
  closing.push(() => made.close());
  return made;
}

async function proxy(options: CarriedOptions): Promise<CarriedProxy> {
  const made = await startCarriedProxy(options);
  closing.push(() => {
    made.close();
    expect(made.faults).toEqual([]);
  });
  return made;
}

/** Says its name and what comes. */
const named =
  (name: string) =>
  (socket: Socket, received: string): void => {
    socket.write(`${name}:${received.length} `);
  };

/** Echoes from the first byte on, with back-pressure. */
async function echoServer(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  closing.push(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe.each(['onread', 'data'] as const)('carried by %s', (mode) => {
  test('a client that has nothing to say is told to the server all the same', async () => {
    const carried = await proxy({ ports: [await echoServer()], mode, readsEarly: 'peek' });
    const client = rawClient(carried.port);
    client.end();
    expect(await client.closed).toBe('');
    await expect.poll(() => carried.lines).toMatchObject([{ bytes_received: 0, bytes_sent: 0 }]);
  });

  test('echoes, and one line tells of it at its end', async () => {
    const carried = await proxy({ ports: [await echoServer()], mode });
    const client = rawClient(carried.port);
    client.write('hello');
    await client.until(/hello/);
    client.write(' again');
    await client.until(/again/);
    client.end();
    expect(await client.closed).toBe('hello again');
    expect(await carried.line()).toMatchObject({
      protocol: 'tcp',
      listener: 'tcp.80',
      cluster: clusterName('shop'),
      attempts: 1,
      bytes_sent: 11,
      bytes_received: 11,
      client: '127.0.0.1',
    });
    expect(carried.lines).toHaveLength(1);
    expect(carried.lines[0]).not.toHaveProperty('flags');
    const { clusters, listeners } = carried.plane.connections.stats();
    expect(clusters[clusterName('shop')]).toEqual({
      connections: 1,
      active: 0,
      bytesSent: 11,
      bytesReceived: 11,
      flags: {},
    });
    expect(listeners['tcp.80']?.connections).toBe(1);
  });

  test('what was read before goes first', async () => {
    const carried = await proxy({ ports: [await echoServer()], mode, readsEarly: 'onread' });
    const client = rawClient(carried.port);
    client.write('early ');
    await client.until(/early/);
    client.write('late');
    await client.until(/late/);
    client.end();
    expect(await client.closed).toBe('early late');
  });

  test('what comes while nobody reads is kept, in order, and so is an end', async () => {
    const carried = await proxy({ ports: [await echoServer()], mode, readsEarly: 'peek' });
    const sent = randomBytes(400_000).toString('latin1');
    const client = rawClient(carried.port);
    client.write(sent);
    client.end();
    expect((await client.closed) === sent).toBe(true);
    for (const size of [1, 100, 3000, 70_000]) {
      const short = rawClient(carried.port);
      short.write(sent.slice(0, size));
      await short.until(new RegExp(`^[^]{${size}}`));
      short.write('more');
      await short.until(/more$/);
      short.end();
      expect((await short.closed) === `${sent.slice(0, size)}more`).toBe(true);
    }
  });

  test('a half that ends leaves the other open: first the client, then the server', async () => {
    const back = await backend(() => undefined);
    const carried = await proxy({ ports: [back.port], mode });
    const client = connect({ host: '127.0.0.1', port: carried.port, allowHalfOpen: true });
    let answer = '';
    client.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    const ended = new Promise<void>((resolve) => {
      client.on('end', resolve);
    });
    client.end('question');
    await until(() => back.sockets[0]?.readableEnded === true);
    expect(back.received[0]).toBe('question');
    back.sockets[0]?.write('answer');
    await until(() => answer === 'answer');
    back.sockets[0]?.end(' and more');
    await ended;
    expect(answer).toBe('answer and more');
    expect(await carried.line()).toMatchObject({ bytes_sent: 15, bytes_received: 8 });

    const second = connect({ host: '127.0.0.1', port: carried.port, allowHalfOpen: true });
    let isEnded = false;
    second.on('data', () => undefined);
    second.on('end', () => {
      isEnded = true;
    });
    await until(() => back.sockets[1] !== undefined);
    back.sockets[1]?.end('bye');
    await until(() => isEnded);
    second.write('still here');
    await until(() => back.received[1] === 'still here');
    second.end();
    expect(await carried.line(1)).toMatchObject({ bytes_sent: 3, bytes_received: 10 });
  });

  test('64 MiB come through a slow reader as they are', async () => {
    const carried = await proxy({ ports: [await echoServer()], mode });
    const client = connect({ host: '127.0.0.1', port: carried.port, allowHalfOpen: true });
    const piece = randomBytes(1_048_576);
    const pieces = 64;
    const sent = createHash('sha256');
    const got = createHash('sha256');
    let bytes = 0;
    client.on('data', (chunk: Buffer) => {
      got.update(chunk);
      bytes += chunk.length;
      if (bytes % 7 > 4) return;
      client.pause();
      setImmediate(() => client.resume());
    });
    const done = new Promise<void>((resolve) => {
      client.on('end', resolve);
    });
    for (let i = 0; i < pieces; i++) {
      piece.writeUInt32LE(i, 0);
      const own = Buffer.from(piece);
      sent.update(own);
      if (!client.write(own))
        await new Promise((resolve) => {
          client.once('drain', resolve);
        });
    }
    client.end();
    await done;
    expect(bytes).toBe(pieces * piece.length);
    expect(got.digest('hex')).toBe(sent.digest('hex'));
    expect(await carried.line()).toMatchObject({ bytes_sent: bytes, bytes_received: bytes });
  }, 60_000);

  test('what a server doesn’t read stays with the client', async () => {
    const back = await backend(() => undefined);
    const carried = await proxy({ ports: [back.port], mode });
    const client = rawClient(carried.port);
    client.write('x');
    await until(() => back.sockets[0] !== undefined);
    back.sockets[0]?.pause();
    const bytes = 64 * 1_048_576;
    client.socket.write(Buffer.alloc(bytes));
    let left = 0;
    await until(() => {
      const isStill = client.socket.writableLength === left;
      left = client.socket.writableLength;
      return isStill;
    });
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
    expect(client.socket.writableLength).toBeGreaterThan(bytes / 2);
    back.sockets[0]?.resetAndDestroy();
    expect(await carried.line()).toMatchObject({ flags: 'UC' });
  });

  test('reads of every size keep their order', async () => {
    const carried = await proxy({ ports: [await echoServer()], mode });
    const client = connect({ host: '127.0.0.1', port: carried.port, allowHalfOpen: true });
    const got: Buffer[] = [];
    client.on('data', (chunk: Buffer) => got.push(chunk));
    const sent: Buffer[] = [];
    for (const size of [1, 2048, 2049, 16_384, 65_536, 262_144, 3, 500_000, 1000, 40_000, 5]) {
      const part = randomBytes(size);
      sent.push(part);
      client.write(part);
      if (size % 2 === 1)
        await new Promise((resolve) => {
          setTimeout(resolve, 5);
        });
    }
    client.end();
    await new Promise((resolve) => {
      client.on('end', resolve);
    });
    expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
  });
});

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !holds(); i++)
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  expect(holds()).toBe(true);
}

describe('ends', () => {
  test('when nothing was said for too long; what is said puts it off', async () => {
    const carried = await proxy({
      ports: [await echoServer()],
      cluster: { pool: { idleTimeoutMs: 400 } },
    });
    const client = rawClient(carried.port);
    const begun = Date.now();
    for (let i = 0; i < 4; i++) {
      client.write('x');
      await new Promise((resolve) => {
        setTimeout(resolve, 200);
      });
    }
    await client.closed;
    expect(Date.now() - begun).toBeGreaterThan(900);
    expect(await carried.line()).toMatchObject({ details: 'tcp_session_idle_timeout' });
  });

  test('when it is too old', async () => {
    const pool = { maxConnectionDurationMs: 300 };
    const carried = await proxy({ ports: [await echoServer()], cluster: { pool } });
    const client = rawClient(carried.port);
    await client.closed;
    expect(await carried.line()).toMatchObject({ flags: 'DT' });
  });

  test('when the client cuts it: the server sees no end, but a cut', async () => {
    const back = await backend(() => undefined);
    const carried = await proxy({ ports: [back.port] });
    const client = rawClient(carried.port);
    client.write('half a mess');
    await until(() => back.received[0] === 'half a mess');
    let cause: string | undefined;
    back.sockets[0]?.on('error', (error: NodeJS.ErrnoException) => {
      cause = error.code;
    });
    client.socket.resetAndDestroy();
    expect(await carried.line()).toMatchObject({ flags: 'DC', details: 'downstream_reset' });
    await until(() => cause === 'ECONNRESET');
    expect(back.sockets[0]?.readableEnded).toBe(false);
  });

  test('when the server cuts it', async () => {
    const back = await backend((socket) => socket.resetAndDestroy());
    const carried = await proxy({ ports: [back.port] });
    const client = rawClient(carried.port);
    client.write('x');
    await client.closed;
    expect(await carried.line()).toMatchObject({ flags: 'UC', details: 'upstream_reset' });
  });
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('is refused', () => {
  test('where nothing answers, and says after how many attempts', async () => {
    const carried = await proxy({ ports: [await closedPort()] });
    expect(await rawExchange(carried.port, 'x')).toBe('');
    expect(await carried.line()).toMatchObject({
      flags: 'UF,URX',
      details: 'upstream_connect_failure',
      attempts: 1,
    });
    const { clusters } = carried.plane.connections.stats();
    expect(clusters[clusterName('shop')]?.flags).toEqual({ 'UF,URX': 1 });
  });

  test('not while another endpoint may be tried', async () => {
    const back = await backend(named('b'));
    const carried = await proxy({
      ports: [await closedPort(), back.port],
      cluster: { balancer: 'ROUND_ROBIN' },
      connectAttempts: 2,
    });
    for (let i = 0; i < 2; i++) {
      const client = rawClient(carried.port);
      client.write('x');
      await client.until(/b:1/);
      client.socket.resetAndDestroy();
    }
    // The rotation goes on with each attempt, so that the one that is gone is met first both times.
    expect(await carried.line(0)).toMatchObject({ attempts: 2 });
    expect(await carried.line(1)).toMatchObject({ attempts: 2 });
  });

  test('above the cluster’s connections, with flag UO', async () => {
    const carried = await proxy({
      ports: [await echoServer()],
      cluster: { pool: { maxConnections: 1 } },
    });
    const first = rawClient(carried.port);
    first.write('a');
    await first.until(/a/);
    expect(await rawExchange(carried.port, 'b')).toBe('');
    expect(await carried.line()).toMatchObject({ flags: 'UO', details: 'upstream_cx_overflow' });
    first.end();
    await first.closed;
    await carried.line(1);
    const third = rawClient(carried.port);
    third.write('c');
    await third.until(/c/);
    third.end();
  });

  test('by a network policy, before a server hears of it', async () => {
    const back = await backend(() => undefined);
    const carried = await proxy({
      ports: [back.port],
      listener: {
        filters: [
          {
            kind: 'access',
            config: { policy: 'default/lists', deny: [{ cidrs: ['127.0.0.0/8'] }] },
          },
        ],
      },
    });
    expect(await rawExchange(carried.port, 'x')).toBe('');
    expect(await carried.line()).toMatchObject({
      details: 'access_denied_matched_rule[default/lists deny[0]]',
      policy: 'default/lists',
    });
    expect(back.sockets).toHaveLength(0);
  });
});

test('weights split connections', async () => {
  const left = await backend(named('left'));
  const right = await backend(named('right'));
  const carried = await proxy({
    ports: [left.port],
    others: [{ cluster: cluster('other'), ports: [right.port] }],
    listener: {
      connections: [
        {
          destinations: [
            { cluster: clusterName('shop'), weight: 1 },
            { cluster: clusterName('other'), weight: 3 },
          ],
          origin: { resource: 'VirtualService default/shop', path: 'spec.tcp[0]' },
        },
      ],
    },
  });
  const count = 60;
  for (let i = 0; i < count; i++) {
    const client = rawClient(carried.port);
    client.write('x');
    await client.until(/:1/);
    client.socket.destroy();
  }
  expect(left.sockets.length + right.sockets.length).toBe(count);
  expect(right.sockets.length).toBeGreaterThan(30);
  expect(left.sockets.length).toBeGreaterThan(3);
});

describe('PROXY protocol', () => {
  test('version 1, before what the client says', async () => {
    const back = await backend(() => undefined);
    const carried = await proxy({
      ports: [back.port],
      cluster: { proxyProtocol: 'V1' },
      peer: { port: 4711 },
    });
    const client = rawClient(carried.port);
    client.write('hello');
    await until(() => back.received[0]?.endsWith('hello') === true);
    expect(back.received[0]).toBe(`PROXY TCP4 127.0.0.1 127.0.0.1 4711 ${carried.port}\r\nhello`);
    client.end();
  });

  test('version 2, of an IPv6 client', async () => {
    const back = await backend(() => undefined);
    const carried = await proxy({
      ports: [back.port],
      cluster: { proxyProtocol: 'V2' },
      peer: { ip: '2001:db8::7', port: 4711 },
    });
    const client = rawClient(carried.port);
    client.write('hello');
    await until(() => back.received[0]?.endsWith('hello') === true);
    const bytes = Buffer.from(back.received[0] ?? '', 'latin1').toString('hex');
    const port = carried.port.toString(16).padStart(4, '0');
    expect(bytes).toBe(
      `0d0a0d0a000d0a515549540a21210024` +
        `20010db8000000000000000000000007` +
        `00000000000000000000ffff7f000001` +
        `1267${port}${Buffer.from('hello').toString('hex')}`,
    );
    client.end();
  });
});

test('TLS is begun towards the server, behind the PROXY header', async () => {
  let header = '';
  const secure = createSecureServer({ cert: certificatePem, key: keyPem }, (socket) => {
    socket.pipe(socket);
    socket.on('error', () => undefined);
  });
  const front = createServer((socket) => {
    socket.once('readable', () => {
      header = (socket.read(HEADER_BYTES) as Buffer | null)?.toString() ?? '';
      secure.emit('connection', socket);
    });
  });
  await new Promise<void>((resolve) => {
    front.listen(0, '127.0.0.1', resolve);
  });
  closing.push(() => front.close());
  const address = front.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const carried = await proxy({
    ports: [port],
    cluster: { proxyProtocol: 'V1', tls: { mode: 'SIMPLE' } },
    peer: { ip: '192.0.2.1', port: 11111 },
    tls: { rejectUnauthorized: false },
  });
  const HEADER_BYTES = `PROXY TCP4 192.0.2.1 127.0.0.1 11111 ${carried.port}\r\n`.length;
  const client = rawClient(carried.port);
  client.write('secret');
  await client.until(/secret/);
  const bulk = randomBytes(300_000).toString('latin1');
  client.write(bulk);
  await client.until(new RegExp(`^[^]{${bulk.length + 6}}`));
  expect(client.text).toBe(`secret${bulk}`);
  expect(header).toMatch(/^PROXY TCP4 192\.0\.2\.1 .*\r\n$/);
  client.end();
  await client.closed;
});

describe.each(['onread', 'data'] as const)('out of TLS, by %s', (mode) => {
  async function secured(port: number): Promise<{ carried: CarriedProxy; port: number }> {
    const carried = await proxy({ ports: [port], mode });
    const front = createSecureServer({ cert: certificatePem, key: keyPem, allowHalfOpen: true });
    front.on('secureConnection', (socket) => carried.carry(socket, Buffer.alloc(0)));
    await new Promise<void>((resolve) => {
      front.listen(0, '127.0.0.1', resolve);
    });
    closing.push(() => front.close());
    const address = front.address();
    return { carried, port: typeof address === 'object' && address !== null ? address.port : 0 };
  }

  test('bulk comes back as it was, and ends', async () => {
    const { carried, port } = await secured(await echoServer());
    const client = connectSecure({ host: '127.0.0.1', port, rejectUnauthorized: false });
    client.allowHalfOpen = true;
    const got: Buffer[] = [];
    client.on('data', (chunk: Buffer) => got.push(chunk));
    const ended = new Promise((resolve) => {
      client.on('end', resolve);
    });
    const sent = randomBytes(5_000_000);
    client.write('hello');
    client.end(sent);
    await ended;
    expect(Buffer.concat(got).equals(Buffer.concat([Buffer.from('hello'), sent]))).toBe(true);
    const line = await carried.line();
    expect(line).toMatchObject({ bytes_sent: 5_000_005, bytes_received: 5_000_005 });
    expect(line).not.toHaveProperty('flags');
  });

  test('a client that goes without a word is cut off', async () => {
    const back = await backend(() => undefined);
    const { carried, port } = await secured(back.port);
    const client = connectSecure({ host: '127.0.0.1', port, rejectUnauthorized: false });
    client.on('error', () => undefined);
    client.write('half');
    await until(() => back.received[0] === 'half');
    client.destroy();
    await carried.line();
    await until(
      () => back.sockets[0]?.destroyed === true || back.sockets[0]?.readableEnded === true,
    );
  });
});
