/** From a decided connection to a socket at its endpoint: the address, TLS, and who it is for in PROXY protocol. */
import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { Exchange } from '../../src/model/exchange.ts';
import type { Cluster } from '../../src/model/snapshot.ts';
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
    const tls = target === undefined ? undefined : this.#tlsFor(target);
    // Where TLS is wanted, nothing goes out without.
    const lacksTls = cluster?.tls !== undefined && tls === undefined;
    if (cluster === undefined || address === undefined || lacksTls) return undefined;
    return connectTo(
      {
        ...address,
        timeoutMs: cluster.connectTimeoutMs,
        tls,
        preface: this.#preface(cluster),
        keepAlive: cluster.pool?.keepAlive,
        isOwnPort: endpoint === undefined ? this.#services.isOwnPort : undefined,
      },
      events,
    );
  }

  #tlsFor(target: UpstreamTarget): ConnectionOptions | undefined {
    if (target.cluster.tls === undefined) return undefined;
    try {
      return this.#services.tlsFor(target);
    } catch {
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
