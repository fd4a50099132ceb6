/** What every pool owes to requests that began before it went out of use, and what is left of it then. */
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Exchange } from '../../src/model/exchange.ts';
import type { Cluster } from '../../src/model/snapshot.ts';
import { cluster, endpoint } from '../../test/fixtures/snapshots.ts';
import { Deadlines } from '../sockets/deadlines.ts';
import type { ClientStream } from '../stream.ts';
import { Upstreams } from './upstreams.ts';
import type { UpstreamTarget } from './upstreams.ts';

const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

let deadlines: Deadlines;
let upstreams: Upstreams;
let server: Server;
let connections = 0;
let speaksFirst = false;
const sockets = new Set<Socket>();
const ownPorts = new Set<number>();

beforeEach(async () => {
  connections = 0;
  ownPorts.clear();
  deadlines = new Deadlines();
  upstreams = new Upstreams({
    deadlines,
    mode: 'onread',
    tlsFor: () => undefined,
    onFault: (error) => {
      throw error;
    },
    isOwnPort: (port) => ownPorts.has(port),
  });
  server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.resume();
    if (speaksFirst) socket.write(SETTINGS);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  upstreams.close();
  deadlines.close();
  server.close();
  for (const socket of sockets) socket.destroy();
});

const portOf = (): number => (server.address() as AddressInfo).port;

class Asked {
  heard = '';
  stream: ClientStream | undefined;

  constructor(target: UpstreamTarget) {
    const at = upstreams.acquireFor(target, this);
    if (at !== undefined) this.onStream(at);
  }

  onStream(stream: ClientStream): void {
    this.heard += 'stream';
    this.stream = stream;
  }

  onNoStream(failure: string): void {
    this.heard += failure;
  }
}

const settle = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, 100);
  });

describe.each([undefined, 'http2', 'client'] as const)('a pool of %s', (protocol) => {
  beforeEach(() => {
    // A server of HTTP/1.1 that speaks unasked is broken.
    speaksFirst = protocol === 'http2';
  });
  const fields = protocol === undefined ? {} : { protocol };
  const to = (more: Partial<Cluster> = {}): UpstreamTarget => ({
    cluster: { ...cluster('shop', fields), ...more },
    endpoint: endpoint('127.0.0.1', { port: portOf() }),
    authority: 'shop.test',
  });

  it('out of use serves who waits, one connection each, and keeps none', async () => {
    const pool = { maxConnections: 1, maxConcurrentStreams: 1 };
    const target = to({ pool });
    const [first, second] = [new Asked(target), new Asked(target)];
    await expect.poll(() => first.heard).toBe('stream');
    upstreams.retain(() => false);
    await settle();
    expect(second.heard).toBe('');
    expect(connections).toBe(1);
    first.stream?.abort();
    await expect.poll(() => second.heard).toBe('stream');
    second.stream?.abort();
    await settle();
    expect(connections).toBe(2);
    await expect.poll(() => [...sockets].every(({ closed }) => closed)).toBe(true);
  });

  it('out of use serves who comes later, having begun before', async () => {
    const target = to();
    const first = new Asked(target);
    await expect.poll(() => first.heard).toBe('stream');
    first.stream?.abort();
    upstreams.retain(() => false);
    await settle();
    const before = connections;
    const late = new Asked(target);
    await expect.poll(() => late.heard).toBe('stream');
    await settle();
    expect(connections).toBe(before + 1);
    expect(late.heard).toBe('stream');
  });

  it('tells nobody of an overflow who has left', async () => {
    const target = to({
      pool: { maxConnections: 1, maxConcurrentStreams: 1, maxPendingRequests: 1 },
    });
    const [, stays, leaves] = [new Asked(target), new Asked(target), new Asked(target)];
    const { cluster: its, endpoint: at } = target;
    upstreams.cancel({ cluster: its, endpoint: at } as unknown as Exchange, leaves);
    await expect.poll(() => stays.heard).toBe('overflow');
    await settle();
    expect(leaves.heard).toBe('');
  });

  it('to where a client wanted is forgotten with its last connection', async () => {
    const target = { ...to(), endpoint: undefined, authority: `127.0.0.1:${portOf()}` };
    const asked = new Asked(target);
    await expect.poll(() => asked.heard).toBe('stream');
    upstreams.retain(() => false);
    expect(upstreams.stats()).toHaveLength(1);
    asked.stream?.abort();
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => upstreams.stats()).toEqual([]);
    const nobody = new Asked({ ...target, authority: '127.0.0.1:9' });
    await expect.poll(() => nobody.heard).toBe('connect-failure');
    expect(upstreams.stats()).toEqual([]);
  });

  it('to where a client wanted leads to no port of the proxy itself', async () => {
    ownPorts.add(portOf());
    for (const host of ['127.0.0.1', 'localhost']) {
      const target = { ...to(), endpoint: undefined, authority: `${host}:${portOf()}` };
      const asked = new Asked(target);
      await expect.poll(() => asked.heard).toBe('connect-failure');
    }
    const known = new Asked(to());
    await expect.poll(() => known.heard).toBe('stream');
  });
});
