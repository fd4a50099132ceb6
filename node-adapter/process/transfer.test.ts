import { describe, expect, it } from 'vitest';
import {
  cluster,
  endpoint,
  forward,
  listener,
  noKeys,
  overlay,
  route,
  snapshot,
  virtualHost,
} from '../../test/fixtures/snapshots.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { Configuration } from '../plane.ts';
import { ConfigurationReceiver, ConfigurationSender, Numbering } from './transfer.ts';
import type { Packed } from './transfer.ts';

const kept = cluster('kept');
const members = [endpoint('10.0.0.1')];
const filters = [{ kind: 'cors', config: {} }];
const routes = [route({ action: forward('kept') }), route({ name: 'b', action: forward('kept') })];
const host = virtualHost(routes);

function configuration(more: Partial<Configuration> = {}): Configuration {
  return {
    named: snapshot({ listeners: [listener({ filters, virtualHosts: [host] })], clusters: [kept] }),
    endpoints: overlay({ [kept.name]: members }),
    keys: noKeys,
    ...more,
  };
}

/** As the channel does it. */
function receive(
  receiver: ConfigurationReceiver,
  type: ProxyScope['type'],
  packed: Packed,
): Configuration {
  const { sent, fresh } = JSON.parse(JSON.stringify(packed)) as Packed;
  for (const parts of fresh) receiver.take(type, parts);
  return receiver.unpack(type, sent);
}

describe('configurations for another process', () => {
  it('arrive as they are', () => {
    const sender = new ConfigurationSender(new Numbering());
    const receiver = new ConfigurationReceiver();
    const given = configuration();
    expect(receive(receiver, 'gateway', sender.pack('gateway', given))).toEqual(given);
  });

  it('bring no part twice, and the receiver keeps its objects', () => {
    const numbering = new Numbering();
    const sender = new ConfigurationSender(numbering);
    const receiver = new ConfigurationReceiver();
    const first = receive(receiver, 'gateway', sender.pack('gateway', configuration()));
    const grown = { ...host, name: 'grown', routes: [...routes, route({ name: 'c' })] };
    const added = cluster('added');
    const next = configuration({
      named: snapshot({
        listeners: [listener({ filters, virtualHosts: [host, grown] })],
        clusters: [kept, added],
      }),
    });
    const sent = sender.pack('gateway', next);
    expect(sent.fresh.flat().map(([, object]) => (object as { name?: string }).name)).toEqual([
      'c',
      'grown',
      added.name,
    ]);
    const second = receive(receiver, 'gateway', sent);
    expect(second).toEqual(next);
    const hostsOf = (one: Configuration) => one.named.snapshot.listeners[0]?.virtualHosts ?? [];
    expect(hostsOf(second)[0]).toBe(hostsOf(first)[0]);
    expect(hostsOf(second)[1]?.routes[0]).toBe(hostsOf(first)[0]?.routes[0]);
    expect(second.named.snapshot.listeners[0]?.filters).toBe(
      first.named.snapshot.listeners[0]?.filters,
    );
    expect(second.named.snapshot.clusters[0]).toBe(first.named.snapshot.clusters[0]);
    expect(second.endpoints.clusters[kept.name]).toBe(first.endpoints.clusters[kept.name]);
  });

  it('bring all to a receiver that is new, whatever others have', () => {
    const numbering = new Numbering();
    const given = configuration();
    new ConfigurationSender(numbering).pack('gateway', given);
    const packed = new ConfigurationSender(numbering).pack('gateway', given);
    expect(receive(new ConfigurationReceiver(), 'gateway', packed)).toEqual(given);
  });

  it('bring again what was gone meanwhile, and keep scopes apart', () => {
    const sender = new ConfigurationSender(new Numbering());
    const receiver = new ConfigurationReceiver();
    const send = (type: 'gateway' | 'sidecar-inbound', given: Configuration): Configuration =>
      receive(receiver, type, sender.pack(type, given));
    const none = configuration({ named: snapshot({ listeners: [], clusters: [] }) });
    send('gateway', configuration());
    send('sidecar-inbound', none);
    send('gateway', none);
    expect(send('gateway', configuration())).toEqual(configuration());
  });

  it('refuse a part that never came', () => {
    const sender = new ConfigurationSender(new Numbering());
    const packed = sender.pack('gateway', configuration());
    expect(() =>
      receive(new ConfigurationReceiver(), 'gateway', { ...packed, fresh: packed.fresh.slice(1) }),
    ).toThrow('was never sent');
  });

  it('come in pieces, so that none takes long to read', () => {
    const many = Array.from({ length: 1000 }, (_, index) => route({ name: `r${index}` }));
    const given = configuration({
      named: snapshot({ listeners: [listener({ virtualHosts: [virtualHost(many)] })] }),
    });
    const packed = new ConfigurationSender(new Numbering()).pack('gateway', given);
    expect(Math.max(...packed.fresh.map((parts) => parts.length))).toBeLessThanOrEqual(128);
    expect(receive(new ConfigurationReceiver(), 'gateway', packed)).toEqual(given);
  });
});
