/** Configurations that come in force in slices, one after the other, with traffic between. */
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSidecar } from 'lateen/node';
import type { Configuration, Sidecar } from 'lateen/node';
import { afterEach, describe, expect, it } from 'vitest';
import {
  cluster,
  clusterName,
  endpoint,
  forward,
  listener,
  noKeys,
  overlay,
  route,
  snapshot,
  virtualHost,
} from '../test/fixtures/snapshots.ts';
import { LinkError } from '../src/proxy/index.ts';
import { gatewayScope } from '../test/fixtures/node-proxy.ts';

const ROUTES = 20_000;

/** Its answers say by which version they came. */
function configuration(version: string, port: number, count = ROUTES): Configuration {
  const routes = Array.from({ length: count }, (_, index) =>
    route({
      match: { path: { kind: 'exact', value: index === count - 1 ? '/' : `/never/${index}` } },
      action: forward('shop'),
      responseHeaders: { set: [{ name: 'x-version', value: [version] }] },
    }),
  );
  const named = snapshot({
    type: 'gateway',
    listeners: [listener({ virtualHosts: [virtualHost(routes)] })],
    clusters: [cluster('shop')],
  });
  return {
    named: { ...named, version },
    endpoints: overlay({ [clusterName('shop')]: [endpoint('127.0.0.1', { port })] }),
    keys: noKeys,
  };
}

const refused: Configuration = {
  named: {
    ...snapshot({ listeners: [listener({ filters: [{ kind: 'from-the-future', config: {} }] })] }),
    version: 'refused',
  },
  endpoints: overlay({}),
  keys: noKeys,
};

let sidecar: Sidecar | undefined;
const closers: (() => void)[] = [];
afterEach(async () => {
  await sidecar?.close();
  for (const close of closers.splice(0)) close();
});

async function start(): Promise<Sidecar> {
  sidecar = await createSidecar({
    scopes: [gatewayScope],
    fronts: [{ kind: 'gateway', host: '127.0.0.1', portOf: () => 0 }],
    log: () => undefined,
    accessLog: { isOn: false },
  });
  await sidecar.listen();
  return sidecar;
}

async function startApp(): Promise<number> {
  const server = createServer((_request, response) => response.end('app')).listen(0, '127.0.0.1');
  await new Promise<void>((resolve) => server.once('listening', resolve));
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

const versionOf = (proxy: Sidecar): string | undefined => proxy.running('gateway')?.named.version;

describe('a configuration that is given', () => {
  it('is in force when the promise resolves, and in no part before', async () => {
    const proxy = await start();
    await proxy.apply('gateway', configuration('small', 1, 1));
    const applied = proxy.apply('gateway', configuration('large', 1));
    expect(versionOf(proxy)).toBe('small');
    // Others have their turn before it is done.
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    expect(versionOf(proxy)).toBe('small');
    expect(await applied).toBe('applied');
    expect(versionOf(proxy)).toBe('large');
  });

  it('is passed over when a newer one comes before its turn', async () => {
    const proxy = await start();
    const seen: (string | undefined)[] = [];
    const [plane] = proxy.planes;
    plane?.onApplied(({ named }) => seen.push(named.version));
    const all = ['first', 'second', 'third'].map((version) =>
      proxy.apply('gateway', configuration(version, 1)),
    );
    expect(await Promise.all(all)).toEqual(['applied', 'superseded', 'applied']);
    expect(seen).toEqual(['first', 'third']);
  });

  it('that can not be linked is refused, and leaves alone what is in force and what comes next', async () => {
    const proxy = await start();
    await proxy.apply('gateway', configuration('first', 1));
    const wrong = proxy.apply('gateway', refused);
    await expect(wrong).rejects.toThrow(LinkError);
    expect(versionOf(proxy)).toBe('first');
    expect(await proxy.apply('gateway', configuration('second', 1))).toBe('applied');
  });

  it('does not come in force in a proxy that was closed meanwhile', async () => {
    const proxy = await start();
    const applied = proxy.apply('gateway', configuration('late', 1));
    await proxy.close();
    expect(await applied).toBe('superseded');
    expect(versionOf(proxy)).toBeUndefined();
  });
});

function ask(port: number, agent: Agent): Promise<{ status: number; version: unknown }> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'shop.test' };
    const sent = request({ host: '127.0.0.1', port, path: '/', agent, headers }, (response) => {
      response.resume();
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, version: response.headers['x-version'] }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

it('swaps under traffic lose no request, and none meets two configurations', async () => {
  const proxy = await start();
  const app = await startApp();
  await proxy.apply('gateway', configuration('v0', app));
  await proxy.settled();
  const port = proxy.listening()[0]?.port ?? 0;
  const agent = new Agent({ keepAlive: true });
  closers.push(() => agent.destroy());
  const ending = new AbortController();
  const seen: string[] = [];
  const clients = Array.from({ length: 8 }, async () => {
    while (!ending.signal.aborted) {
      const { status, version } = await ask(port, agent);
      expect(status).toBe(200);
      seen.push(String(version));
    }
  });
  for (let round = 1; round <= 6; round++) {
    const before = seen.length;
    await proxy.apply('gateway', configuration(`v${round}`, app));
    expect((await ask(port, agent)).version).toBe(`v${round}`);
    await expect.poll(() => seen.length).toBeGreaterThan(before);
  }
  ending.abort();
  await Promise.all(clients);
  expect(new Set(seen).size).toBeGreaterThan(3);
});
