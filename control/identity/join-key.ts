/**
 * The key to which requests to join are encrypted, under a statement of the authority. It lives in memory alone and not
 * for long: what was recorded can't be read later. After a restart there is another, which the asker fetches.
 */
import {
  calculateJwkThumbprint,
  compactDecrypt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
} from 'jose';
import {
  JOIN_ENCRYPTION,
  JOIN_KEY_ALGORITHM,
  JOIN_KEY_PURPOSE,
} from '../../src/delivery/joining.ts';
import type { JoinKeyClaims } from '../../src/delivery/joining.ts';
import type { Authority } from './authority.ts';
import { Refusal } from './refusal.ts';

interface Held {
  readonly kid: string;
  readonly key: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
  readonly jwk: Readonly<Record<string, unknown>>;
  readonly madeMs: number;
}

/** A new one then; the one before is read for as long. */
const LIFE_MS = 30 * 60_000;
/** Of a statement. */
const STATED_MS = 10 * 60_000;
/** Nobody has it signed more often, however often it is asked for. */
const KEPT_MS = 5000;

export class JoinKey {
  readonly #authority: Authority;
  readonly #nowMs: () => number;
  #current: Promise<Held> | undefined;
  #previous: Held | undefined;
  #stated:
    | { readonly text: Promise<string>; readonly kid: string; readonly atMs: number }
    | undefined;

  constructor(authority: Authority, nowMs: () => number) {
    this.#authority = authority;
    this.#nowMs = nowMs;
  }

  /** A JWS of JoinKeyClaims. */
  async statement(): Promise<string> {
    const { kid, jwk } = await this.#held();
    const nowMs = this.#nowMs();
    const known = this.#stated;
    if (known !== undefined && known.kid === kid && nowMs - known.atMs < KEPT_MS) return known.text;
    const claims: JoinKeyClaims = {
      purpose: JOIN_KEY_PURPOSE,
      trustDomain: this.#authority.trustDomain,
      key: jwk,
      iat: Math.floor(nowMs / 1000),
      exp: Math.floor((nowMs + STATED_MS) / 1000),
    };
    const text = this.#authority.signStatement({ ...claims });
    this.#stated = { text, kid, atMs: nowMs };
    text.catch(() => {
      this.#stated = undefined;
    });
    return text;
  }

  /** @throws Refusal */
  async open(jwe: string): Promise<string> {
    const key = await this.#keyFor(jwe);
    try {
      const { plaintext } = await compactDecrypt(jwe, key, {
        keyManagementAlgorithms: [JOIN_KEY_ALGORITHM],
        contentEncryptionAlgorithms: [JOIN_ENCRYPTION],
      });
      return new TextDecoder('utf-8', { fatal: true }).decode(plaintext);
    } catch {
      throw new Refusal('unreadable', {
        reason: 'a request that can not be decrypted',
        told: 'jwe: it can not be decrypted',
      });
    }
  }

  async #keyFor(jwe: string): Promise<Held['key']> {
    let header: ReturnType<typeof decodeProtectedHeader>;
    try {
      header = decodeProtectedHeader(jwe);
    } catch {
      throw new Refusal('malformed', { reason: 'no JWE', told: 'jwe: want a compact JWE' });
    }
    if (header['zip'] !== undefined)
      throw new Refusal('malformed', {
        reason: 'a compressed request',
        told: 'jwe: want it uncompressed',
      });
    const current = await this.#held();
    const held = [current, this.#previous].find((one) => one?.kid === header.kid);
    if (held === undefined)
      throw new Refusal('unknown-key', {
        reason: 'a request under a key that is not known (any more)',
        told: 'jwe: its key is not known any more: fetch the join key again',
      });
    return held.key;
  }

  async #held(): Promise<Held> {
    const known = await this.#current;
    const nowMs = this.#nowMs();
    if (known !== undefined && nowMs - known.madeMs < LIFE_MS) return known;
    // Somebody else was faster.
    if (known !== undefined && (await this.#current) !== known) return this.#held();
    const fresh = this.#make(nowMs);
    this.#previous = known;
    this.#current = fresh;
    return fresh;
  }

  async #make(madeMs: number): Promise<Held> {
    const { publicKey, privateKey } = await generateKeyPair(JOIN_KEY_ALGORITHM, { crv: 'P-256' });
    const jwk = await exportJWK(publicKey);
    const kid = await calculateJwkThumbprint(jwk);
    return {
      kid,
      key: privateKey,
      jwk: { ...jwk, kid, use: 'enc', alg: JOIN_KEY_ALGORITHM },
      madeMs,
    };
  }
}
