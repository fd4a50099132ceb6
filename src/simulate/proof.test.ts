import { expect, it } from 'vitest';
import { link, simulate } from './index.ts';
import { createFakeHost } from '../host/fake-host.ts';
import { filters } from '../presets/edge.ts';
import { CredentialWorld } from '../../test/fixtures/credentials.ts';
import { listener, noKeys, shopEndpoint, snapshot } from '../../test/fixtures/snapshots.ts';
import type { FilterConfig } from '../model/snapshot.ts';
import type { SimulatedRequest } from './index.ts';

const credential: FilterConfig = {
  kind: 'credential',
  config: { policy: '', skewMs: 60_000, wantsDigest: false, required: false },
};

/** What a proxy under STRICT does, which sees no mutual TLS. */
async function ask(
  peer: NonNullable<SimulatedRequest['peer']>,
  configs: readonly FilterConfig[] = [],
): Promise<{ readonly outcome: string; readonly why: string }> {
  const host = createFakeHost();
  const linked = link(
    snapshot({
      type: 'sidecar-inbound',
      mesh: { trust: new CredentialWorld().trust },
      listeners: [listener({ direction: 'inbound', mtls: 'STRICT', filters: configs })],
    }),
    shopEndpoint,
    noKeys,
    { host, filters },
  );
  const request = { host: 'shop.test', peer };
  const { outcome, details, trace = [] } = await simulate({ linked, host, request, trace: true });
  const step = trace.find(({ name }) => name === 'credential');
  return { outcome, why: step?.detail ?? details };
}

it.each<[NonNullable<SimulatedRequest['peer']>, readonly FilterConfig[], string, string]>([
  [{ proof: 'none' }, [], 'close', 'peer_authentication'],
  [{ proof: 'none' }, [credential], 'close', 'no credential, and mutual TLS is STRICT'],
  [{ proof: 'platform' }, [], 'forward', ''],
  [{ proof: 'platform' }, [credential], 'forward', 'no credential; the platform says who calls'],
  [{ proof: 'credential', principal: 'cluster.local/ns/a/sa/b' }, [], 'forward', ''],
  [
    { proof: 'platform', principal: 'evil.test/ns/a/sa/b' },
    [credential],
    'close',
    'peer_authentication',
  ],
  [
    { principal: 'cluster.local/ns/a/sa/b' },
    [credential],
    'forward',
    'no credential; mutual TLS says who calls',
  ],
  [
    { proof: 'credential', principal: 'cluster.local/ns/a/sa/b' },
    [credential],
    'forward',
    'credential of cluster.local/ns/a/sa/b',
  ],
  [{}, [credential], 'close', 'peer_authentication'],
])('STRICT for %j', async (peer, configs, outcome, why) => {
  expect(await ask(peer, configs)).toEqual({ outcome, why });
});
