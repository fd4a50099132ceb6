import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Exchange } from '../../src/model/exchange.ts';
import type { Cluster, Endpoint } from '../../src/model/snapshot.ts';
import { cluster, endpoint } from '../../test/fixtures/snapshots.ts';
import { Deadlines } from '../sockets/deadlines.ts';
import type { ClientStream } from '../stream.ts';
import type { Waiter } from './pool.ts';
import { Upstreams } from './upstreams.ts';

const PORT = 9;
let deadlines: Deadlines;
let upstreams: Upstreams;
beforeEach(() => {
  deadlines = new Deadlines();
  upstreams = new Upstreams({
    deadlines,
    mode: 'onread',
    tlsFor: () => undefined,
    onFault: () => undefined,
  });
});
afterEach(() => {
  upstreams.close();
  deadlines.close();
});

const waiter: Waiter = {
  isOver: false,
  onStream: (stream: ClientStream) => stream.abort(),
  onNoStream: () => undefined,
} as unknown as Waiter;

function ask(to: Cluster, at: Endpoint): void {
  const x = { cluster: to, endpoint: at, upstreamAuthority: 'shop.test' } as unknown as Exchange;
  upstreams.acquire(x, waiter);
}

const pools = (): string[] => upstreams.stats().map(({ cluster: name }) => name);

describe('upstreams', () => {
  it('agree by TLS on what the client speaks, where a cluster leaves it to that', async () => {
    const wanted: (string | undefined)[] = [];
    const both = new Upstreams({
      deadlines,
      mode: 'onread',
      tlsFor({ cluster: asked }) {
        wanted.push(asked.protocol);
        return undefined;
      },
      onFault: () => undefined,
    });
    const to: Cluster = { ...cluster('shop'), tls: { mode: 'SIMPLE' }, protocol: 'client' };
    for (const isHttp1 of [true, undefined]) {
      const request = { isHttp1 };
      const x = { cluster: to, endpoint: endpoint('127.0.0.1'), request } as unknown as Exchange;
      both.acquire(x, waiter);
    }
    expect(wanted).toEqual(['http1', 'http2']);
    both.close();
  });

  it('keeps clusters apart that share an endpoint, as a subset and its whole do', () => {
    const shared = endpoint('127.0.0.1', { port: PORT });
    const [whole, subset] = [cluster('shop'), { ...cluster('shop'), name: 'outbound|80|v1|shop' }];
    ask(whole, shared);
    ask(subset, shared);
    ask(whole, shared);
    expect(pools()).toEqual([whole.name, subset.name]);
  });

  it('takes what a cluster changed to, where its endpoints stay the same', () => {
    const same = endpoint('127.0.0.1', { port: PORT });
    const before = cluster('shop');
    ask(before, same);
    const [old] = upstreams.stats();
    const secured: Cluster = { ...before, tls: { mode: 'SIMPLE' } };
    ask(secured, same);
    expect(upstreams.stats()).toHaveLength(1);
    expect(upstreams.stats()[0]?.pool).not.toBe(old?.pool);
    ask({ ...secured }, same);
    expect(upstreams.stats()).toHaveLength(1);
  });
});
