/** Who calls, by a credential of the mesh; and under STRICT mutual TLS, where none can be seen, nobody else. */
import type { ProvenCall } from '../../credential/proof-token.ts';
import { MAX_DIGESTED_BYTES } from '../../credential/names.ts';
import { ReplayCache } from '../../credential/replay.ts';
import type { Shown, Verdict } from '../../credential/verifier.ts';
import { CredentialVerifier } from '../../credential/verifier.ts';
import type { Host } from '../../host/host.ts';
import { HostMap } from '../../lib/host-map.ts';
import type { Exchange, LocalReply, ShownCredential } from '../../model/exchange.ts';
import type { Filter, FilterAnswer, LinkContext, PolicyFilter } from '../../model/policy.ts';
import type { Listener } from '../../model/snapshot.ts';
import type { TrustSettings } from '../../model/trust.ts';
import type { CredentialConfig } from './config.ts';

const NOBODY: TrustSettings = {
  roots: {},
  tokenKeys: {},
  denied: { serials: [], identities: [] },
};
const DEFAULT_PORTS = { http: 80, https: 443 } as const;
const EMPTY = new Uint8Array(0);

/** Of a process or isolate: filters end with their configuration, proofs don't. */
const replays = new WeakMap<Host['clock'], ReplayCache>();

function replaysOf({ clock }: Host): ReplayCache {
  let cache = replays.get(clock);
  if (cache === undefined) {
    cache = new ReplayCache();
    replays.set(clock, cache);
  }
  return cache;
}

const PLAIN = ['content-type', 'text/plain'] as const;

function refuse(reason: string): LocalReply {
  const details = `mesh_credential{${reason}}`;
  if (reason === 'body_too_large')
    return { status: 413, body: 'payload too large', headers: [PLAIN], flag: '', details };
  if (reason === 'replay_cache_full') {
    const headers = [PLAIN, ['retry-after', '1'] as const];
    return { status: 503, body: 'too many proofs', headers, flag: '', details };
  }
  const headers = [PLAIN, ['www-authenticate', 'Workload-Proof-Token'] as const];
  return { status: 401, body: 'mesh credential refused', headers, flag: '', details };
}

/** As a connection that PeerAuthentication refuses. */
const UNPROVEN: LocalReply = {
  status: 421,
  body: '',
  headers: [],
  flag: 'UC',
  details: 'peer_authentication',
  close: true,
};

/** One value of one field, whoever joins repeats: a compact token has no comma. */
function single(values: readonly string[]): string | undefined {
  const [value] = values;
  return values.length === 1 && value !== undefined && !value.includes(',') ? value : undefined;
}

/** Hosts of a gateway that are named, with or without a wildcard in front; `*` names nobody. */
const named = new WeakMap<Listener, HostMap<true>>();

function isNamedHost(listener: Listener, host: string): boolean {
  let hosts = named.get(listener);
  if (hosts === undefined) {
    hosts = new HostMap<true>();
    for (const { domains } of listener.virtualHosts)
      for (const domain of domains) if (domain !== '*') hosts.add(domain, true);
    named.set(listener, hosts);
  }
  return hosts.lookup(host) === true;
}

function portOf({ authority, scheme }: Exchange): number {
  const sent = /:(\d+)$/.exec(authority)?.[1];
  return sent === undefined ? DEFAULT_PORTS[scheme] : Number(sent);
}

const isProven = ({ peer }: Exchange): boolean =>
  peer.principal !== undefined || peer.proof !== undefined;

class CredentialFilter implements Filter {
  readonly #config: CredentialConfig;
  readonly #host: Host;
  readonly #verifier: CredentialVerifier;

  constructor(config: CredentialConfig, { host, mesh }: LinkContext) {
    this.#config = config;
    this.#host = host;
    const { trust = NOBODY } = mesh;
    const { skewMs } = config;
    this.#verifier = new CredentialVerifier({ trust, skewMs, replays: replaysOf(host) });
  }

  request(x: Exchange): FilterAnswer {
    const { credential } = x;
    // Of a request that is only asked about, somebody said whom its credential names.
    if (credential === undefined)
      return this.#settle(
        x,
        x.peer.proof === 'credential' ? `credential of ${x.peer.principal}` : 'no credential',
      );
    const shown = this.#shownBy(x, credential);
    if (typeof shown === 'string') return this.#refuse(x, shown);
    return this.#verifier
      .verify(shown, this.#host.clock.nowMs())
      .then((verdict) => this.#conclude(x, verdict));
  }

  /** What isn't HTTP shows no credential: its connection has to say who calls. */
  connection(x: Exchange): boolean {
    if (!this.#config.required || isProven(x)) return true;
    this.#trace(x, 'denied', 'required');
    x.decidedBy = this.#config.policy;
    x.details = 'mesh_credential{required}';
    return false;
  }

  #shownBy(x: Exchange, credential: ShownCredential): Shown | string {
    const { identityTokens, proofTokens } = credential;
    if (identityTokens.length === 0 || proofTokens.length === 0) return 'incomplete';
    const identityToken = single(identityTokens);
    const proofToken = single(proofTokens);
    if (identityToken === undefined || proofToken === undefined) return 'repeated';
    const { wantsDigest } = this.#config;
    return { identityToken, proofToken, call: this.#callOf(x), body: () => bodyOf(x), wantsDigest };
  }

  #callOf(x: Exchange): ProvenCall {
    const { target } = x.request;
    const mark = target.indexOf('?');
    const isHere = (host: string, port: number): boolean => this.#isHere(x, host, port);
    return {
      scheme: x.scheme,
      path: mark < 0 ? target : target.slice(0, mark),
      query: mark < 0 ? '' : target.slice(mark),
      method: x.method,
      isHere,
    };
  }

  #isHere(x: Exchange, host: string, port: number): boolean {
    const { audience } = this.#config;
    if (x.listener?.direction === 'gateway')
      return (
        host === x.host && isNamedHost(x.listener, host) && (port === x.port || port === portOf(x))
      );
    if (audience === undefined || host !== audience.service) return false;
    return (audience.ports[x.port] ?? [x.port]).includes(port);
  }

  #conclude(x: Exchange, verdict: Verdict): LocalReply | undefined {
    if (!verdict.ok) return this.#refuse(x, verdict.fault);
    const { principal } = x.peer;
    const { identity } = verdict;
    // Two proofs of two identities: somebody carries another one's.
    if (principal !== undefined && principal !== identity)
      return this.#refuse(x, 'other_than_certificate');
    x.peer = { ...x.peer, principal: identity, proof: x.peer.proof ?? 'credential' };
    return this.#settle(x, `credential of ${identity}`);
  }

  /** What is known of the caller now is all that will be. */
  #settle(x: Exchange, detail: string): LocalReply | undefined {
    const { peer, listener } = x;
    const isKnown = isProven(x);
    const isStrict = listener?.direction === 'inbound' && listener.mtls === 'STRICT';
    if (isStrict && !isKnown && peer.mutual === undefined) {
      this.#trace(x, 'denied', `${detail}, and mutual TLS is STRICT`);
      return UNPROVEN;
    }
    if (this.#config.required && !isKnown) return this.#refuse(x, 'required');
    this.#trace(x, isKnown ? 'passed' : 'not-matched', detail);
    return undefined;
  }

  #refuse(x: Exchange, reason: string): LocalReply {
    this.#trace(x, 'denied', reason);
    if (this.#config.policy !== '') x.decidedBy = this.#config.policy;
    return refuse(reason);
  }

  #trace(x: Exchange, outcome: 'passed' | 'denied' | 'not-matched', detail: string): void {
    if (x.trace === undefined) return;
    const { policy } = this.#config;
    const { proof: kind, mutual, principal } = x.peer;
    const isByTls = kind === undefined && mutual === true && principal !== undefined;
    const proof =
      kind === 'platform'
        ? `${detail}; the platform says who calls`
        : isByTls
          ? `${detail}; mutual TLS says who calls`
          : detail;
    x.trace.push({
      step: 'policy',
      name: policy === '' ? 'credential' : policy,
      outcome,
      detail: proof,
      ...(policy === ''
        ? {}
        : { origin: { resource: `Policy ${policy}`, path: 'spec.credential' } }),
    });
  }
}

/** Undefined = there is more of it than may be held. */
async function bodyOf(x: Exchange): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (x.readBody === undefined) return EMPTY;
  const { bytes, isWhole } = await x.readBody(MAX_DIGESTED_BYTES);
  return isWhole ? new Uint8Array(bytes) : undefined;
}

export const credentialFilter: PolicyFilter = {
  kind: 'credential',
  phase: 'peer',
  link: (config, context) => new CredentialFilter(config as CredentialConfig, context),
};
