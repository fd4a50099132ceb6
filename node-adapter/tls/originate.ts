/**
 * TLS towards endpoints. Whoever answers is verified unless the configuration says in so many words that it shan't be;
 * where a secret is missing the connection fails, and never goes out in clear.
 */
import { constants } from 'node:crypto';
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import { TLSSocket, createSecureContext, getCACertificates } from 'node:tls';
import type { ConnectionOptions, PeerCertificate, SecureContext } from 'node:tls';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import type { Cluster, Endpoint } from '../../src/model/snapshot.ts';
import { tlsTowards } from '../../src/proxy/index.ts';
import { KeptContexts, SecretFault, WORKLOAD_SECRET } from './contexts.ts';
import type { TlsServices } from './contexts.ts';
import type { ServerGuard } from '../pool/lifetime.ts';
import { sentBy } from './chain.ts';
import { KnownCertificates } from './known-certificates.ts';
import { hostFits, subjectFits } from './names.ts';
import { withIssuers } from './pem.ts';
import type { MeshTrust } from './trust.ts';

export interface OriginationOptions extends TlsServices {
  readonly trust: MeshTrust;
}

export interface OriginationTarget {
  readonly cluster: Cluster;
  /** Undefined: to the authority itself. */
  readonly endpoint: Endpoint | undefined;
  /** Host, perhaps with a port. */
  readonly authority: string;
  /** `bytes`: nobody knows what is spoken inside. @default http */
  readonly carries?: 'http' | 'bytes';
}

export interface Watching {
  readonly guard: ServerGuard;
  readonly onRefused: (target: OriginationTarget, reason: string) => void;
}

const MAX_REFUSED = 1024;

type ClusterTls = NonNullable<Cluster['tls']>;

/** Tells proxies of the mesh apart from applications that bring TLS of their own. */
const MESH_PROTOCOL = 'istio';
/** What is spoken inside, as Istio's proxies say it beside the protocol's own name. */
const MESH_HTTP = { h2: 'istio-h2', 'http/1.1': 'istio-http/1.1' } as const;

export class Originator {
  readonly #contexts: KeptContexts<SecureContext>;
  readonly #options: OriginationOptions;
  readonly #servers = new KnownCertificates();
  readonly #refused = new Map<string, string>();

  constructor(options: OriginationOptions) {
    this.#options = options;
    this.#contexts = new KeptContexts(options);
  }

  close(): void {
    this.#contexts.close();
  }

  /**
   * For one connection: secrets change between two. Undefined = it is plain.
   * @throws SecretFault: it can't be made
   */
  optionsFor(target: OriginationTarget): ConnectionOptions | undefined {
    const tls = tlsTowards(target.cluster, target.endpoint);
    if (tls === undefined) return undefined;
    const isBlind = tls.insecureSkipVerify === true && tls.mode !== 'ISTIO_MUTUAL';
    const host = hostOf(target);
    const check = (_: string, peer: PeerCertificate): Error | undefined =>
      isBlind ? undefined : this.#checkServer(target, tls, peer);
    return {
      secureContext: this.#contextFor(tls),
      servername: serverName(target.cluster, tls, host),
      ALPNProtocols: protocolsOf(target, tls),
      rejectUnauthorized: !isBlind,
      checkServerIdentity: check,
    };
  }

  /** For who makes the connections. @param graceMs for what is under way when a server's proof holds no more */
  watching(graceMs: number): Watching {
    return {
      guard: { graceMs, watch: (socket, onDistrust) => this.#watch(socket, onDistrust) },
      onRefused: (target, reason) => this.#logRefused(target, reason),
    };
  }

  #watch(socket: Socket, onDistrust: () => void): (() => void) | undefined {
    const raw = socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined;
    const known = raw === undefined ? undefined : this.#servers.read(raw);
    return known && this.#options.trust.watch({ known, onDistrust });
  }

  /** Once for each endpoint, until it is something else. */
  #logRefused({ cluster, endpoint, authority }: OriginationTarget, reason: string): void {
    const upstream = endpoint === undefined ? authority : `${endpoint.address}:${endpoint.port}`;
    const name = `${cluster.name} ${upstream}`;
    if (this.#refused.get(name) === reason) return;
    const [oldest] = this.#refused.keys();
    if (this.#refused.size >= MAX_REFUSED && oldest !== undefined) this.#refused.delete(oldest);
    this.#refused.set(name, reason);
    const message = 'TLS to a server came to nothing';
    this.#options.log(
      JSON.stringify({ level: 'error', message, cluster: cluster.name, upstream, reason }),
    );
  }

  #contextFor(tls: ClusterTls): SecureContext {
    return this.#contexts.get(keyOf(tls), (find) =>
      tls.mode === 'ISTIO_MUTUAL' ? meshContext(find) : clusterContext(tls, find),
    );
  }

  #checkServer(
    target: OriginationTarget,
    tls: ClusterTls,
    peer: PeerCertificate,
  ): Error | undefined {
    const shown = this.#servers.read(peer.raw);
    if (shown === undefined) return new Error('the names of the certificate can not be read');
    const isMesh = tls.mode === 'ISTIO_MUTUAL';
    const distrust = isMesh ? this.#options.trust.judge(shown, () => sentBy(peer)) : undefined;
    if (distrust !== undefined) return new Error(distrust.reason);
    const { names, identity = '' } = shown;
    const { subjectAltNames: wanted = [] } = tls;
    if (wanted.length > 0)
      return wanted.some((name) => subjectFits(names, name))
        ? undefined
        : new Error(`the certificate shows none of ${wanted.join(', ')}`);
    if (isMesh) return this.#checkIdentity(identity, identitiesWanted(tls, target.endpoint));
    const host = tls.sni ?? hostOf(target);
    return hostFits(names, host) ? undefined : new Error(`the certificate is not for ${host}`);
  }

  /** Secure naming: whoever answers is a workload of the service. */
  #checkIdentity(shown: string, wanted: readonly string[]): Error | undefined {
    const { domains } = this.#options.trust;
    const [domain = ''] = shown.split('/');
    if (wanted.length === 0)
      return domains.includes(domain)
        ? undefined
        : new Error(`identity ${shown} is of another mesh, and nobody says that it serves here`);
    // Where trust domains move, a workload may still show its name under the other.
    const isAlias = (one: string): boolean => {
      const [wantedDomain = ''] = one.split('/');
      return (
        domains.includes(domain) &&
        domains.includes(wantedDomain) &&
        shown.slice(domain.length) === one.slice(wantedDomain.length)
      );
    };
    return wanted.some((one) => one === shown || isAlias(one))
      ? undefined
      : new Error(`identity ${shown} is not ${wanted.join(' or ')}`);
  }
}

/** Empty = anybody of the mesh. */
function identitiesWanted(
  { identities = [] }: ClusterTls,
  endpoint: Endpoint | undefined,
): readonly string[] {
  return endpoint?.identity === undefined ? identities : [endpoint.identity];
}

/** Written once for each cluster of a configuration: authorities are long. */
const keys = new WeakMap<ClusterTls, string>();

function keyOf(tls: ClusterTls): string {
  const known = keys.get(tls);
  if (known !== undefined) return known;
  const { mode, credentialName, authorities } = tls;
  const key = canonicalJson([mode, credentialName, authorities]);
  keys.set(tls, key);
  return key;
}

type Find = Parameters<Parameters<KeptContexts<SecureContext>['get']>[1]>[0];

const NO_TICKET = { secureOptions: constants.SSL_OP_NO_TICKET };

function meshContext(find: Find): SecureContext {
  const { certificate, key, authorities } = find(WORKLOAD_SECRET) ?? {};
  if (certificate === undefined || key === undefined || authorities === undefined)
    throw new SecretFault(`${WORKLOAD_SECRET}: this proxy has no certificate of the mesh`);
  return createSecureContext({
    ...NO_TICKET,
    cert: withIssuers(certificate, [authorities]),
    key,
    ca: authorities,
    minVersion: 'TLSv1.3',
  });
}

function clusterContext(tls: ClusterTls, find: Find): SecureContext {
  const { mode, credentialName, authorities = [] } = tls;
  const material = credentialName === undefined ? undefined : find(credentialName);
  if (credentialName !== undefined && material === undefined)
    throw new SecretFault(`${credentialName} is missing`);
  const { certificate, key, revoked } = material ?? {};
  if (mode === 'MUTUAL' && (certificate === undefined || key === undefined))
    throw new SecretFault(`${credentialName ?? 'MUTUAL'} has no certificate with its key`);
  const held =
    material?.authorities ??
    (credentialName === undefined ? undefined : find(`${credentialName}-cacert`)?.authorities);
  const given = authorities.length > 0 ? [...authorities] : held;
  const ca = given ?? systemAuthorities();
  return createSecureContext({
    ...NO_TICKET,
    ...(mode === 'MUTUAL' && certificate !== undefined
      ? { cert: withIssuers(certificate, ca === undefined ? [] : [ca].flat()) }
      : {}),
    ...(mode === 'MUTUAL' && key !== undefined ? { key } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(revoked === undefined || given === undefined ? {} : { crl: revoked }),
    minVersion: 'TLSv1.2',
  });
}

let system: string[] | undefined;

/** Undefined = the system has none: those that Node brings. */
function systemAuthorities(): string[] | undefined {
  system ??= [...getCACertificates('system'), ...getCACertificates('extra')];
  return system.length === 0 ? undefined : system;
}

/** Without a server name in the configuration: whom the connection is for. */
function hostOf({ cluster, endpoint, authority }: OriginationTarget): string {
  // Connections to an endpoint carry requests for any name of the service.
  if (endpoint !== undefined && cluster.discovery === 'endpoints') return cluster.service;
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(authority);
  return match?.[1] ?? match?.[2] ?? authority;
}

/** In the mesh it says the cluster, so that a gateway between two networks can pass it on unread. */
function serverName(
  { port, subset = '', service }: Cluster,
  tls: ClusterTls,
  host: string,
): string {
  if (tls.sni !== undefined && tls.sni !== '') return tls.sni;
  if (tls.mode === 'ISTIO_MUTUAL') return `outbound_.${port}_.${subset}_.${service}`;
  return isIP(host) === 0 ? host : '';
}

function protocolsOf({ cluster, carries }: OriginationTarget, { mode }: ClusterTls): string[] {
  const isMesh = mode === 'ISTIO_MUTUAL';
  if (carries === 'bytes') return isMesh ? [MESH_PROTOCOL] : [];
  const spoken = cluster.protocol === 'http2' ? 'h2' : 'http/1.1';
  return isMesh ? [MESH_HTTP[spoken], MESH_PROTOCOL, spoken] : [spoken];
}
