/**
 * Who a proxy is: a key that never leaves it, and a token that names the key. Both are made anew at half the token's life,
 * beside the calls that they serve; one renewal at a time, and a failed one changes nothing while the token lasts.
 */
import type { Clock, Random } from '../host/host.ts';
import type { IssuedToken } from '../model/identity.ts';
import { digestOf } from './digest.ts';
import { ALGORITHM, IDENTITY_HEADER, KEY_PARAMETERS, PROOF_HEADER } from './names.ts';
import type { ProofTarget } from './proof-token.ts';
import { createProof } from './proof-token.ts';

export interface CredentialSource {
  /** For one attempt. Rejects when there is nothing to show. @param body to be bound to it */
  headersFor(
    target: ProofTarget,
    body?: Uint8Array<ArrayBuffer>,
  ): Promise<readonly (readonly [name: string, value: string])[]>;
}

export interface HolderOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: (line: string) => void;
  /** Lets a renewal outlive the call that it began beside. */
  readonly background: (work: Promise<unknown>) => void;
  /** Asks the control plane for a token that names a public key. */
  readonly issue: (key: Readonly<Record<string, unknown>>) => Promise<IssuedToken>;
}

interface Held extends IssuedToken {
  readonly key: CryptoKey;
  readonly tokenHash: string;
  readonly renewMs: number;
}

/** After a failure nobody asks for so long; doubled each time. */
const REST_MS = 1000;
const MAX_REST_MS = 30_000;
/** A renewal that began longer ago belongs to a request that the runtime has ended: it never settles. */
const ABANDONED_MS = 10_000;
/** Shorter than this it would end on its way. */
const LEAST_LEFT_MS = 5000;
const JTI_BYTES = 16;

export class CredentialHolder implements CredentialSource {
  readonly #options: HolderOptions;
  #held: Held | undefined;
  #running: { readonly work: Promise<Held>; readonly sinceMs: number } | undefined;
  #restMs = REST_MS;
  #restUntilMs = 0;

  constructor(options: HolderOptions) {
    this.#options = options;
  }

  /** The time when the present token ends; undefined = there is none. */
  get expiresMs(): number | undefined {
    return this.#held?.expiresMs;
  }

  async headersFor(
    target: ProofTarget,
    body?: Uint8Array<ArrayBuffer>,
  ): Promise<readonly (readonly [name: string, value: string])[]> {
    const { clock, random } = this.#options;
    const { token, tokenHash, key } = await this.#current();
    const proof = await createProof({
      target,
      tokenHash,
      key,
      jti: random.hex(JTI_BYTES),
      nowMs: clock.nowMs(),
      ...(body === undefined ? {} : { body }),
    });
    return [
      [IDENTITY_HEADER, token],
      [PROOF_HEADER, proof],
    ];
  }

  #current(): Held | Promise<Held> {
    const nowMs = this.#options.clock.nowMs();
    const held = this.#held;
    const holds = held !== undefined && nowMs < held.expiresMs - LEAST_LEFT_MS;
    if (holds && nowMs < held.renewMs) return held;
    if (nowMs >= this.#restUntilMs) {
      const renewal = this.#renew(nowMs);
      if (!holds) return renewal;
    }
    if (holds) return held;
    throw new Error('the control plane gave no identity token, and is asked again in a moment');
  }

  #renew(nowMs: number): Promise<Held> {
    if (this.#running !== undefined && nowMs - this.#running.sinceMs < ABANDONED_MS)
      return this.#running.work;
    const { log, background } = this.#options;
    const work = this.#make(nowMs).finally(() => {
      if (this.#running?.work === work) this.#running = undefined;
    });
    this.#running = { work, sinceMs: nowMs };
    background(
      work.catch((error: unknown) => {
        this.#restUntilMs = this.#options.clock.nowMs() + this.#restMs;
        this.#restMs = Math.min(2 * this.#restMs, MAX_REST_MS);
        const cause = error instanceof Error ? error.message : 'unknown';
        log(JSON.stringify({ level: 'error', message: 'no identity token was issued', cause }));
      }),
    );
    return work;
  }

  async #make(nowMs: number): Promise<Held> {
    const { privateKey, publicKey } = await crypto.subtle.generateKey(KEY_PARAMETERS, false, [
      'sign',
      'verify',
    ]);
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey);
    const { token, expiresMs } = await this.#options.issue({ kty, crv, x, y, alg: ALGORITHM });
    const tokenHash = await digestOf(token);
    const renewMs = nowMs + (expiresMs - nowMs) / 2;
    this.#restMs = REST_MS;
    this.#held = { token, expiresMs, tokenHash, renewMs, key: privateKey };
    return this.#held;
  }
}
