/** Certificates for those who prove who they are: by a join token, a token of their platform, or the certificate in use. */
import { CERTIFIED_PURPOSE } from '../../src/delivery/joining.ts';
import type { CertifiedClaims } from '../../src/delivery/joining.ts';
import { spiffeUri } from '../../src/lib/spiffe-id.ts';
import type { Store, StoreChange } from '../../src/model/store.ts';
import type { Keys } from '../keys.ts';
import { Problem } from '../problem.ts';
import type { Authority, ProvenBy } from './authority.ts';
import { requestedKey } from './certification-request.ts';
import { JoinKey } from './join-key.ts';
import { JoinTokens } from './join-tokens.ts';
import { OidcRules } from './oidc-rules.ts';
import { OidcTokens } from './oidc-tokens.ts';
import { rootHashOf } from './presented.ts';
import { Refusal } from './refusal.ts';
import type { RefusalCode } from './refusal.ts';
import { Renewals } from './renewal.ts';
import { SeenOnce } from '../seen.ts';
import { SourceLimits } from './sources.ts';

export interface JoiningDependencies {
  readonly authority: Authority;
  readonly store: Store;
  readonly keys: Keys;
  readonly nowMs: () => number;
  readonly randomHex: (length: number) => string;
  readonly log: (line: string) => void;
  /** Of what is issued. @default as the authority does */
  readonly ttlMs?: number;
}

/** Since this process began. */
export interface JoiningCounts {
  readonly issued: Readonly<Record<ProvenBy, number>>;
  readonly refused: Readonly<Record<string, number>>;
}

interface Proven {
  readonly identity: string;
  readonly actor: string;
  readonly provenBy: ProvenBy;
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly nonce: string;
  readonly alongside: readonly StoreChange[];
  /** What it is when somebody was faster. */
  readonly conflict: Refusal;
}

/** Of one source: whatever it asks. */
const ASKED = { size: 60, perSecond: 10 };
/** Of one source: tries to join that were refused. A renewal is never refused for them. */
const FAILED = { size: 10, perSecond: 0.1 };
const NONCE = /^[\w-]{16,128}$/;

export class Joining {
  readonly tokens: JoinTokens;
  readonly rules: OidcRules;
  readonly #deps: JoiningDependencies;
  readonly #joinKey: JoinKey;
  readonly #oidc: OidcTokens;
  readonly #renewals: Renewals;
  readonly #seen: SeenOnce;
  readonly #asked: SourceLimits;
  readonly #failed: SourceLimits;
  readonly #issued: Record<ProvenBy, number> = {
    'join-token': 0,
    oidc: 0,
    renewal: 0,
    operator: 0,
  };
  readonly #refused = new Map<RefusalCode, number>();

  constructor(deps: JoiningDependencies) {
    const { authority, store, keys, nowMs } = deps;
    this.#deps = deps;
    this.tokens = new JoinTokens(deps);
    this.rules = new OidcRules(store, nowMs);
    this.#joinKey = new JoinKey(authority, nowMs);
    this.#oidc = new OidcTokens(this.rules, keys, nowMs);
    this.#renewals = new Renewals(authority, nowMs);
    this.#seen = new SeenOnce(store, nowMs);
    this.#asked = new SourceLimits(ASKED, nowMs);
    this.#failed = new SourceLimits(FAILED, nowMs);
  }

  async trustDomain(): Promise<string> {
    const { authority } = this.#deps;
    // The domain may have changed since it was asked for last.
    await authority.trust();
    return authority.trustDomain;
  }

  /** Nobody would get a certificate of it. */
  async isDenied(identity: string): Promise<boolean> {
    const trust = await this.#deps.authority.trust();
    return trust?.denied.identities.includes(identity) === true;
  }

  get counts(): JoiningCounts {
    return { issued: { ...this.#issued }, refused: Object.fromEntries(this.#refused) };
  }

  /** @throws Problem 429, 503 */
  joinKey(
    source: string,
  ): Promise<{ readonly statement: string; readonly roots: readonly string[] }> {
    return this.#answer('join key', source, async () => {
      const roots = await this.#roots();
      return { statement: await this.#joinKey.statement(), roots };
    });
  }

  /** SHA-256 (hex) of the root that those who join now can hold the authority by. @throws Problem 503 */
  async rootHash(): Promise<string> {
    const statement = await this.#joinKey.statement();
    const header = JSON.parse(atob(fromUrlSafe(statement.split('.')[0] ?? ''))) as {
      readonly x5c?: readonly string[];
    };
    const hash = await rootHashOf(header.x5c ?? [], await this.#roots());
    if (hash === undefined)
      throw new Problem(503, 'no root', 'the certificate of the signer leads to no root');
    return hash;
  }

  /** A JWS of CertifiedClaims. @throws Problem */
  join(jwe: string, source: string): Promise<string> {
    return this.#answer('join', source, async () => {
      if (!this.#failed.has(source)) throw tooOften();
      try {
        return await this.#join(jwe, source);
      } catch (error) {
        // Of an authority that can't sign nobody is to blame, nor of a key that was replaced meanwhile.
        if (error instanceof Refusal && error.code !== 'unknown-key') this.#failed.take(source);
        throw error;
      }
    });
  }

  /** A JWS of CertifiedClaims. @throws Problem */
  renew(proof: string, source: string): Promise<string> {
    return this.#answer('renewal', source, async () => {
      const proven = await this.#renewals.verify(proof);
      const { identity, serial, publicKey, nonce, once, onceUntilMs } = proven;
      return this.#certify({
        identity,
        publicKey,
        nonce,
        // A rotation of the root waits for those certificates that nobody names so.
        actor: serial,
        provenBy: 'renewal',
        alongside: await this.#seen.use(once, onceUntilMs),
        conflict: replayed(`a proof of ${identity}`),
      });
    });
  }

  async #join(jwe: string, source: string): Promise<string> {
    const request = parseRequest(await this.#joinKey.open(jwe));
    const publicKey = await requestedKey(request.csr);
    const { nonce } = request;
    if ('token' in request) {
      const { id, identity, consume } = await this.tokens.find(request.token, source);
      return this.#certify({
        identity,
        publicKey,
        nonce,
        actor: id,
        provenBy: 'join-token',
        alongside: [consume],
        conflict: new Refusal('used-token', {
          reason: `join token ${id} is used twice at the same time`,
          told: `join token ${id} was used already, or revoked`,
        }),
      });
    }
    const { identity, actor, once, onceUntilMs } = await this.#oidc.verify(request.oidc);
    const conflict = replayed(`a token of ${actor}`);
    if (await this.#seen.has(once)) throw conflict;
    const alongside = await this.#seen.use(once, onceUntilMs);
    const provenBy = 'oidc' as const;
    return this.#certify({ identity, publicKey, nonce, actor, provenBy, alongside, conflict });
  }

  async #certify(proven: Proven): Promise<string> {
    const { authority, nowMs, ttlMs, log } = this.#deps;
    const { identity, publicKey, actor, provenBy, nonce, alongside, conflict } = proven;
    const { chain, notAfterMs, serial } = await authority
      .issue(
        { identity, publicKey, actor, provenBy, ...(ttlMs === undefined ? {} : { ttlMs }) },
        alongside,
      )
      .catch((error: unknown) => {
        throw error instanceof Problem && error.status === 409 ? conflict : error;
      });
    this.#issued[provenBy]++;
    log(`certificate ${serial} for ${spiffeUri(identity)} (${provenBy}, ${actor})`);
    const roots = await this.#roots();
    const claims: CertifiedClaims = {
      purpose: CERTIFIED_PURPOSE,
      nonce,
      trustDomain: authority.trustDomain,
      identity,
      chain,
      roots,
      expiresMs: notAfterMs,
      iat: Math.floor(nowMs() / 1000),
    };
    return authority.signStatement({ ...claims });
  }

  async #roots(): Promise<readonly string[]> {
    const { authority } = this.#deps;
    const trust = await authority.trust();
    return trust?.roots[authority.trustDomain] ?? [];
  }

  /** What is refused is counted, and said in the log; who asked learns little. */
  async #answer<T>(what: string, source: string, work: () => Promise<T>): Promise<T> {
    try {
      if (!this.#asked.take(source)) throw tooOften();
      return await work();
    } catch (error) {
      const refusal = refusalOf(error);
      const { code, message } = refusal;
      this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
      // Who asks too often isn't to fill the log.
      if (code !== 'rate') this.#deps.log(`${what} refused (${code}) from ${source}: ${message}`);
      throw refusal.problem();
    }
  }
}

function tooOften(): Refusal {
  return new Refusal('rate', {
    reason: 'too often',
    told: 'this address asks too often: wait a while',
  });
}

function replayed(what: string): Refusal {
  return new Refusal('replayed', {
    reason: `${what} comes a second time`,
    told: 'it was used already: each is good for one certificate',
  });
}

/** The authority's own: 403 the identity is denied, 422 key or identity, 503 no signer. Anything else is a fault. */
function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (!(error instanceof Problem)) throw error;
  const { status, message: reason } = error;
  if (status === 403) return new Refusal('denied', { reason });
  const told = status === 503 ? 'no authority can sign now: try again later' : undefined;
  return new Refusal('not-issued', { reason, status, ...(told === undefined ? {} : { told }) });
}

type Request = { readonly nonce: string; readonly csr: string } & (
  | { readonly token: string }
  | { readonly oidc: string }
);

function parseRequest(text: string): Request {
  const malformed = (reason: string): Refusal =>
    new Refusal('malformed', { reason, told: `request: ${reason}` });
  let value: Readonly<Record<string, unknown>> | null;
  try {
    value = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
  } catch {
    throw malformed('it is no JSON');
  }
  const { nonce, csr, token, oidc } = value ?? {};
  if (typeof nonce !== 'string' || !NONCE.test(nonce))
    throw malformed('nonce: want 16 to 128 of a-z, A-Z, 0-9, - and _');
  if (typeof csr !== 'string') throw malformed('csr: want PKCS#10 (DER) in base64');
  if (typeof token === 'string' && oidc === undefined) return { nonce, csr, token };
  if (typeof oidc === 'string' && token === undefined) return { nonce, csr, oidc };
  throw malformed('want a join token (token) or a token of the platform (oidc)');
}

const fromUrlSafe = (text: string): string => text.replaceAll('-', '+').replaceAll('_', '/');
