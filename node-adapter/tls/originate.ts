/**
 * TLS towards endpoints. Whoever answers is verified unless the configuration says in so many words that it shan't be;
 * where a secret is missing the connection fails, and never goes out in clear.
 */
import { constants } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext, getCACertificates } from 'node:tls';
import type { ConnectionOptions, PeerCertificate, SecureContext } from 'node:tls';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import type { Cluster, Endpoint } from '../../src/model/snapshot.ts';
import { KeptContexts, SecretFault, WORKLOAD_SECRET } from './contexts.ts';
import type { TlsServices } from './contexts.ts';
import { KnownCertificates } from './known-certificates.ts';
import { hostFits, subjectFits } from './names.ts';
import { withIssuers } from './pem.ts';

export interface OriginationOptions extends TlsServices {
  /** Domains whose identities are of this mesh; its own first. */
  trustDomains(): readonly string[];
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

type ClusterTls = NonNullable<Cluster['tls']>;

/** Tells proxies of the mesh apart from applications that bring TLS of their own. */
const MESH_PROTOCOL = 'istio';

export class Originator {
  readonly #contexts: KeptContexts<SecureContext>;
  readonly #options: OriginationOptions;
  readonly #servers = new KnownCertificates();

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
    const { tls } = target.cluster;
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

  #contextFor(tls: ClusterTls): SecureContext {
    return this.#contexts.get(keyOf(tls), (find) =>
      tls.mode === 'ISTIO_MUTUAL' ? meshContext(find) : clusterContext(tls, find),
    );
  }

  #checkServer(
    { cluster, endpoint, authority }: OriginationTarget,
    tls: ClusterTls,
    { raw }: PeerCertificate,
  ): Error | undefined {
    const shown = this.#servers.read(raw);
    if (shown === undefined) return new Error('the names of the certificate can not be read');
    const { names, identity } = shown;
    const { subjectAltNames: wanted = [] } = tls;
    if (wanted.length > 0)
      return wanted.some((name) => subjectFits(names, name))
        ? undefined
        : new Error(`the certificate shows none of ${wanted.join(', ')}`);
    if (tls.mode === 'ISTIO_MUTUAL') return this.#checkIdentity(identity, endpoint?.identity);
    const host = tls.sni ?? hostOf({ cluster, endpoint, authority });
    return hostFits(names, host) ? undefined : new Error(`the certificate is not for ${host}`);
  }

  #checkIdentity(shown: string | undefined, wanted: string | undefined): Error | undefined {
    if (shown === undefined) return new Error('the certificate shows no identity of a mesh');
    const domains = this.#options.trustDomains();
    const [domain = ''] = shown.split('/');
    if (!domains.includes(domain)) return new Error(`identity ${shown} is of another mesh`);
    if (wanted === undefined || shown === wanted) return undefined;
    // Where trust domains move, a workload may still show its name under the other.
    const [wantedDomain = ''] = wanted.split('/');
    const isAlias =
      domains.includes(wantedDomain) &&
      shown.slice(domain.length) === wanted.slice(wantedDomain.length);
    return isAlias ? undefined : new Error(`identity ${shown} is not ${wanted}`);
  }
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
  const mesh = mode === 'ISTIO_MUTUAL' ? [MESH_PROTOCOL] : [];
  if (carries === 'bytes') return mesh;
  return [...mesh, cluster.protocol === 'http2' ? 'h2' : 'http/1.1'];
}
