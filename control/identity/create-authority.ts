/** The authority over a store: signs with the key of its newest intermediate, which is unwrapped when first wanted. */
import { CompactSign, SignJWT } from 'jose';
import { spiffeUri } from '../../src/lib/spiffe-id.ts';
import type { StoreChange } from '../../src/model/store.ts';
import type { TrustSettings } from '../../src/model/trust.ts';
import type { MeshDomains } from '../mesh-domains.ts';
import { Problem } from '../problem.ts';
import type { Authority, IssueRequest, IssuedCertificate } from './authority.ts';
import { refuse } from './chain.ts';
import type { AuthorityOptions, Core } from './core.ts';
import { createCore } from './core.ts';
import { issueLeaf, requireIdentity } from './issuing.ts';
import { tokenKeyPurpose } from './records.ts';
import type { TokenKey } from './records.ts';
import { MAX_TOKEN_TTL_MS, signingTokenKey } from './token-keys.ts';
import { trustOf } from './trust.ts';
import type { View } from './view.ts';
import { hexOf, jwsAlgorithm } from './x509.ts';

/** `typ` of a statement, so that it passes for nothing else (RFC 8725, 3.11). */
export const STATEMENT_TYPE = 'lateen-statement+jws';
const TOKEN_TYPE = 'wit+jwt';
const DEFAULT_TOKEN_TTL_MS = 3_600_000;
const MIN_TOKEN_TTL_MS = 1000;
/** Of the key in a token, whose other members are nobody's business. */
const JWK_COORDINATE = /^[A-Za-z0-9_-]{43}$/;

type TokenRequest = Parameters<Authority['issueToken']>[0];

export interface LocalAuthority extends Authority {
  readonly core: Core;
}

/** A public key on P-256 and nothing else of what was sent. @throws Problem 422 */
async function holderKey(key: Readonly<Record<string, unknown>>): Promise<Record<string, string>> {
  const { kty, crv, x, y } = key;
  const isKey =
    kty === 'EC' && crv === 'P-256' && [x, y].every((one) => JWK_COORDINATE.test(String(one)));
  const jwk = { kty: 'EC', crv: 'P-256', x: String(x), y: String(y) };
  const fault = refuse('key: want a public JWK of kty EC and crv P-256, without its private half');
  if (!isKey || key['d'] !== undefined) throw fault;
  try {
    await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, [
      'verify',
    ]);
  } catch {
    throw fault;
  }
  return { ...jwk, alg: 'ES256' };
}

class StoreAuthority implements LocalAuthority {
  readonly core: Core;
  #domains: MeshDomains = { trustDomain: 'cluster.local', aliases: [] };
  #trust:
    | {
        readonly view: View;
        readonly domains: MeshDomains;
        readonly trust: TrustSettings | undefined;
      }
    | undefined;
  readonly #tokenSigners = new Map<string, Promise<CryptoKey>>();

  constructor(core: Core) {
    this.core = core;
    // So that the domain is known before somebody asks for anything else.
    void this.#refreshed().catch(() => undefined);
  }

  get trustDomain(): string {
    return this.#domains.trustDomain;
  }

  async issue(
    request: IssueRequest,
    alongside: readonly StoreChange[] = [],
  ): Promise<IssuedCertificate> {
    const { core } = this;
    core.counters.requests++;
    try {
      const { view, domains } = await this.#refreshed();
      requireIdentity(request.identity, domains.trustDomain, view);
      return await issueLeaf(request, core, { view, alongside });
    } catch (error) {
      if (error instanceof Problem && error.status < 500) core.counters.refused++;
      throw error;
    }
  }

  async signStatement(claims: Readonly<Record<string, unknown>>): Promise<string> {
    const { signers, views } = this.core;
    const signer = await signers.current(await views.current());
    return new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
      .setProtectedHeader({
        alg: jwsAlgorithm(signer.kind),
        typ: STATEMENT_TYPE,
        x5c: [...signer.x5c],
      })
      .sign(signer.key);
  }

  async issueToken(
    request: TokenRequest,
  ): Promise<{ readonly token: string; readonly expiresMs: number }> {
    const { core } = this;
    const { view, domains } = await this.#refreshed();
    requireIdentity(request.identity, domains.trustDomain, view);
    const { ttlMs = DEFAULT_TOKEN_TTL_MS } = request;
    if (!(ttlMs >= MIN_TOKEN_TTL_MS && ttlMs <= MAX_TOKEN_TTL_MS))
      throw refuse(
        `lifetime of ${ttlMs} ms: want ${MIN_TOKEN_TTL_MS} ms to ${MAX_TOKEN_TTL_MS} ms (24 hours)`,
      );
    const jwk = await holderKey(request.key);
    const nowMs = core.nowMs();
    const signing = signingTokenKey(view.tokenKeys, nowMs);
    const issuedAt = Math.floor(nowMs / 1000);
    const expires = Math.floor((nowMs + ttlMs) / 1000);
    const token = await new SignJWT({ cnf: { jwk } })
      .setProtectedHeader({ alg: 'ES256', typ: TOKEN_TYPE, kid: signing.kid })
      .setIssuer(spiffeUri(domains.trustDomain))
      .setSubject(spiffeUri(request.identity))
      .setIssuedAt(issuedAt)
      .setExpirationTime(expires)
      .setJti(hexOf(crypto.getRandomValues(new Uint8Array(16))))
      .sign(await this.#tokenSigner(signing));
    core.counters.tokens++;
    return { token, expiresMs: expires * 1000 };
  }

  async isDenied({
    serial,
    identity,
  }: {
    readonly serial: string;
    readonly identity: string;
  }): Promise<boolean> {
    const { serials, identities } = await this.core.views.current();
    return serials.has(serial) || identities.has(identity);
  }

  async trust(): Promise<TrustSettings | undefined> {
    const { view, domains } = await this.#refreshed();
    if (this.#trust?.view !== view || this.#trust.domains !== domains)
      this.#trust = { view, domains, trust: trustOf(view, domains) };
    return this.#trust.trust;
  }

  async #refreshed(): Promise<{ readonly view: View; readonly domains: MeshDomains }> {
    const [view, domains] = await Promise.all([this.core.views.current(), this.core.domains()]);
    this.#domains = domains;
    return { view, domains };
  }

  async #tokenSigner({ kid, key }: TokenKey): Promise<CryptoKey> {
    const name = `${kid} ${key.data}`;
    let opening = this.#tokenSigners.get(name);
    if (opening === undefined) {
      this.#tokenSigners.clear();
      opening = this.core
        .wrapping()
        .then((wrapping) => wrapping.unwrap(key, 'P-256', tokenKeyPurpose(kid)));
      this.#tokenSigners.set(name, opening);
      opening.catch(() => this.#tokenSigners.delete(name));
    }
    return opening;
  }
}

export function createAuthority(options: AuthorityOptions): LocalAuthority {
  return new StoreAuthority(createCore(options));
}
