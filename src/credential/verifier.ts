/** Verifies the credentials of calls, and remembers what it has seen: tokens until they end, proofs until nobody takes them. */
import { decodeBase64url } from '../lib/base64url.ts';
import type { TrustSettings } from '../model/trust.ts';
import type { VerifiedIdentity } from './identity-token.ts';
import { verifyIdentityToken } from './identity-token.ts';
import type { CredentialFault } from './names.ts';
import { CLOCK_SKEW_S } from './names.ts';
import type { ProvenCall } from './proof-token.ts';
import { verifyProof } from './proof-token.ts';
import type { ReplayCache } from './replay.ts';

export interface VerifierOptions {
  readonly trust: TrustSettings;
  /** Of a process or isolate: it outlives a verifier, which ends with its configuration. */
  readonly replays: ReplayCache;
  /** @default 60000 */
  readonly skewMs?: number;
}

export interface Shown {
  readonly identityToken: string;
  readonly proofToken: string;
  readonly call: ProvenCall;
  /** The whole body; undefined = it is longer than what may be held. Asked for where the proof binds it. */
  readonly body: () => Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** A proof that doesn't bind the body is refused. */
  readonly wantsDigest: boolean;
}

export type Verdict =
  | { readonly ok: true; readonly identity: string }
  | { readonly ok: false; readonly fault: CredentialFault | 'body_too_large' };

const no = (fault: CredentialFault | 'body_too_large'): Verdict => ({ ok: false, fault });

const MAX_KNOWN = 500;
const DEFAULT_SKEW_MS = CLOCK_SKEW_S * 1000;

/** Bytes are compared to the last one, whatever the first difference. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] ?? 0);
  return difference === 0;
}

export class CredentialVerifier {
  readonly #options: VerifierOptions;
  readonly #skewMs: number;
  /** Identity tokens that held, by their text: two generations, so that a hit moves nothing. */
  #young = new Map<string, VerifiedIdentity>();
  #old = new Map<string, VerifiedIdentity>();

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#skewMs = options.skewMs ?? DEFAULT_SKEW_MS;
  }

  async verify(shown: Shown, nowMs: number): Promise<Verdict> {
    const holder = await this.#identityOf(shown.identityToken, nowMs);
    if (typeof holder === 'string') return no(holder);
    const proof = await verifyProof({
      token: shown.proofToken,
      tokenHash: holder.tokenHash,
      key: holder.key,
      call: shown.call,
      nowMs,
      skewMs: this.#skewMs,
    });
    if (typeof proof === 'string') return no(proof);
    if (proof.bodyDigest === undefined && shown.wantsDigest) return no('body_digest');
    // Before anything of the body is read: two at once must not both pass.
    const { identity } = holder;
    const taken = this.#options.replays.take(identity, proof.jti, proof.untilMs, nowMs);
    if (taken !== 'taken') return no(taken === 'seen' ? 'replayed' : 'replay_cache_full');
    if (proof.bodyDigest !== undefined) {
      const body = await shown.body();
      if (body === undefined) return no('body_too_large');
      if (!(await isDigest(proof.bodyDigest, body))) return no('body_digest');
    }
    return { ok: true, identity };
  }

  async #identityOf(token: string, nowMs: number): Promise<VerifiedIdentity | CredentialFault> {
    const known = this.#young.get(token) ?? this.#old.get(token);
    if (known !== undefined) {
      if (known.expMs + this.#skewMs <= nowMs) return 'expired';
      if (!this.#young.has(token)) this.#keep(token, known);
      return known;
    }
    const { trust } = this.#options;
    const verified = await verifyIdentityToken(token, { trust, skewMs: this.#skewMs }, nowMs);
    if (typeof verified !== 'string') this.#keep(token, verified);
    return verified;
  }

  #keep(token: string, verified: VerifiedIdentity): void {
    // Joined anew: a piece of a received head would keep all of that head in memory.
    this.#young.set(token.split('.').join('.'), verified);
    if (this.#young.size < MAX_KNOWN) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}

async function isDigest(wanted: string, body: Uint8Array<ArrayBuffer>): Promise<boolean> {
  const found = new Uint8Array(await crypto.subtle.digest('SHA-256', body));
  const bytes = decodeBase64url(wanted);
  return bytes !== undefined && sameBytes(found, bytes);
}
