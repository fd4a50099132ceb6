/** From a decided connection to a socket at its endpoint: the address, TLS, and who it is for in PROXY protocol. */
import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { Exchange } from '../../src/model/exchange.ts';
import type { Cluster } from '../../src/model/snapshot.ts';
import { tlsTowards } from '../../src/proxy/index.ts';
import { lifetimeOf } from '../pool/lifetime.ts';
import type { UpstreamTarget } from '../pool/upstreams.ts';
import { writeProxyHeader } from '../sniff/proxy-protocol.ts';
import type { Address } from '../sniff/proxy-protocol.ts';
import { connectTo } from './connect.ts';
import type { ConnectEvents } from './connect.ts';
import type { CarriedArrival, CarryServices } from './contract.ts';

/** A name that may be looked up; an address that a client calls a name leads nowhere. */
const DNS_NAME =
  /^(?=.*[a-z])(?:[a-z0-9_](?:[-a-z0-9_]*[a-z0-9_])?\.)*[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/i;

/** Of one client's connection. */
export class Dialer {
  readonly #client: Socket;
  readonly #arrival: CarriedArrival;
  readonly #services: CarryServices;

  constructor(client: Socket, arrival: CarriedArrival, services: CarryServices) {
    this.#client = client;
    this.#arrival = arrival;
    this.#services = services;
  }

  /**
   * To where `x` was decided to go. Ends in one call of `events`, unless what it returns is called before.
   * Undefined: it can't be tried.
   */
  dial({ cluster, endpoint }: Exchange, events: ConnectEvents): (() => void) | undefined {
    const target = cluster === undefined ? undefined : { cluster, endpoint, authority: '' };
    const address = target === undefined ? undefined : this.#addressOf(target);
    if (target === undefined || address === undefined) return undefined;
    const secured = tlsTowards(target.cluster, endpoint);
    const tls = secured === undefined ? undefined : this.#tlsFor(target);
    // Where TLS is wanted, nothing goes out without.
    if (tls === undefined && secured !== undefined) return undefined;
    const isMesh = secured?.mode === 'ISTIO_MUTUAL';
    return connectTo(
      {
        ...address,
        timeoutMs: target.cluster.connectTimeoutMs,
        tls,
        preface: this.#preface(target.cluster),
        keepAlive: target.cluster.pool?.keepAlive,
        isOwnPort: endpoint === undefined ? this.#services.isOwnPort : undefined,
        onRefused: (reason) => this.#services.onRefused?.(target, reason),
      },
      isMesh ? { ...events, onConnected: (socket) => this.#standing(socket, events) } : events,
    );
  }

  /** It ends with what the server proved. */
  #standing(socket: Socket, events: ConnectEvents): void {
    const { deadlines, guard } = this.#services;
    const lifetime = lifetimeOf(socket, {
      limits: {},
      deadlines,
      guard,
      isCarried: true,
      onOver: () => undefined,
    });
    if (lifetime !== undefined) socket.once('close', () => lifetime.cancel());
    events.onConnected(socket);
  }

  #tlsFor(target: UpstreamTarget): ConnectionOptions | undefined {
    const { tlsFor, onRefused } = this.#services;
    try {
      return tlsFor(target);
    } catch (error) {
      onRefused?.(target, error instanceof Error ? error.message : 'unknown');
      return undefined;
    }
  }

  #preface({ proxyProtocol }: Cluster): Buffer | undefined {
    if (proxyProtocol === undefined) return undefined;
    return writeProxyHeader(proxyProtocol === 'V1' ? 1 : 2, this.#source(), this.#destination());
  }

  #addressOf(target: UpstreamTarget): { host: string; port: number } | undefined {
    const given = this.#services.addressOf?.(target);
    if (given !== undefined) return { ...given };
    const { endpoint, cluster } = target;
    if (endpoint !== undefined) return { host: endpoint.address, port: endpoint.port };
    const { destination, port, host, sni, peer } = this.#arrival;
    if (destination !== undefined) return { host: destination.ip, port: destination.port };
    const said = sni ?? peer.tls?.sni;
    // A service was decided on by its server name: that is where it is, whatever name the tunnel was asked for.
    const name = (cluster.service === '' ? (host ?? said) : (said ?? host)) ?? '';
    if (!DNS_NAME.test(name)) return undefined;
    return { host: name, port: cluster.port === 0 ? port : cluster.port };
  }

  #source(): Address {
    const { ip, port = 0 } = this.#arrival.peer;
    return { ip, port };
  }

  #destination(): Address {
    const { localAddress = '', localPort = 0 } = this.#client;
    return this.#arrival.destination ?? { ip: localAddress, port: localPort };
  }
}
