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
import type { Configuration } from '../plane.ts';
import { ConfigurationReceiver, ConfigurationSender, Numbering } from './transfer.ts';
import type { SentConfiguration } from './transfer.ts';

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
const travelled = (sent: SentConfiguration): SentConfiguration =>
  JSON.parse(JSON.stringify(sent)) as SentConfiguration;

describe('configurations for another process', () => {
  it('arrive as they are', () => {
    const sender = new ConfigurationSender(new Numbering());
    const receiver = new ConfigurationReceiver();
    const given = configuration();
    const sent = travelled(sender.pack('gateway', given));
    expect(receiver.unpack('gateway', sent)).toEqual(given);
  });

  it('bring no part twice, and the receiver keeps its objects', () => {
    const numbering = new Numbering();
    const sender = new ConfigurationSender(numbering);
    const receiver = new ConfigurationReceiver();
    const first = receiver.unpack('gateway', travelled(sender.pack('gateway', configuration())));
    const grown = { ...host, name: 'grown', routes: [...routes, route({ name: 'c' })] };
    const added = cluster('added');
    const next = configuration({
      named: snapshot({
        listeners: [listener({ filters, virtualHosts: [host, grown] })],
        clusters: [kept, added],
      }),
    });
    const sent = sender.pack('gateway', next);
    expect(sent.fresh.map(([, object]) => (object as { name?: string }).name)).toEqual([
      'c',
      'grown',
      added.name,
    ]);
    const second = receiver.unpack('gateway', travelled(sent));
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
    const sent = travelled(new ConfigurationSender(numbering).pack('gateway', given));
    expect(new ConfigurationReceiver().unpack('gateway', sent)).toEqual(given);
  });

  it('bring again what was gone meanwhile, and keep scopes apart', () => {
    const sender = new ConfigurationSender(new Numbering());
    const receiver = new ConfigurationReceiver();
    const send = (type: 'gateway' | 'sidecar-inbound', given: Configuration): Configuration =>
      receiver.unpack(type, travelled(sender.pack(type, given)));
    const none = configuration({ named: snapshot({ listeners: [], clusters: [] }) });
    send('gateway', configuration());
    send('sidecar-inbound', none);
    send('gateway', none);
    expect(send('gateway', configuration())).toEqual(configuration());
  });

  it('refuse a part that never came', () => {
    const sender = new ConfigurationSender(new Numbering());
    const sent = travelled(sender.pack('gateway', configuration()));
    expect(() => new ConfigurationReceiver().unpack('gateway', { ...sent, fresh: [] })).toThrow(
      'was never sent',
    );
  });
});
