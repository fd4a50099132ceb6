/** The keys of one set, ready to check signatures: what is asked of a key is done once while the set stays. */
import type { Fields } from '../../lib/fields.ts';
import type { CheckFor } from '../../host/signatures.ts';
import { decodeBase64url } from '../../lib/base64url.ts';
import { algorithmsOf, keyFault } from '../../lib/jwk.ts';
import type { Parsed } from './token.ts';
import { importCheck } from '../../lib/signature-check.ts';

type Check = (
  data: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
) => boolean | Promise<boolean>;

/** A token without kid is held against so many keys of its algorithm: each costs a verification. */
const MAX_TRIED = 16;
const ECDSA_BYTES: Readonly<Record<string, number>> = { ES256: 64, ES384: 96, ES512: 132 };
const encoder = new TextEncoder();

class RingKey {
  readonly kid: string | undefined;
  readonly #key: Fields;
  readonly #algorithms: readonly string[];
  readonly #checks = new Map<string, Check>();

  constructor(key: Fields) {
    this.#key = key;
    this.#algorithms = algorithmsOf(key);
    this.kid = typeof key['kid'] === 'string' ? key['kid'] : undefined;
  }

  can(alg: string): boolean {
    return this.#algorithms.includes(alg);
  }

  check(alg: string, checkFor: CheckFor | undefined): Check {
    let check = this.#checks.get(alg);
    if (check === undefined) {
      check = checkFor?.(this.#key, alg) ?? importCheck(this.#key, alg);
      this.#checks.set(alg, check);
    }
    return check;
  }
}

export class KeyRing {
  readonly #keys: readonly RingKey[];
  readonly #checkFor: CheckFor | undefined;

  constructor(keys: readonly Fields[], checkFor: CheckFor | undefined) {
    this.#keys = keys.filter((key) => keyFault(key) === undefined).map((key) => new RingKey(key));
    this.#checkFor = checkFor;
  }

  hasKid(kid: string): boolean {
    return this.#keys.some((key) => key.kid === kid);
  }

  /** A key without kid fits any; a token without kid, or with an empty one, fits every key of its algorithm. */
  candidates({ header: { alg }, kid }: Parsed): readonly RingKey[] {
    if (typeof alg !== 'string') return [];
    return this.#keys
      .filter((key) => key.can(alg) && (kid === '' || key.kid === undefined || key.kid === kid))
      .slice(0, MAX_TRIED);
  }

  /** A promise only where this runtime checks beside. */
  holds(token: Parsed, candidates: readonly RingKey[]): boolean | Promise<boolean> {
    const alg = String(token.header['alg']);
    const signature = decodeBase64url(token.signature);
    if (signature === undefined || signature.length === 0) return false;
    const wanted = ECDSA_BYTES[alg];
    if (wanted !== undefined && signature.length !== wanted) return false;
    const data = encoder.encode(token.signed);
    for (const [index, key] of candidates.entries()) {
      const answer = key.check(alg, this.#checkFor)(data, signature);
      if (typeof answer !== 'boolean')
        return answer.then((holds) => holds || this.holds(token, candidates.slice(index + 1)));
      if (answer) return true;
    }
    return false;
  }
}

const rings = new WeakMap<readonly Fields[], KeyRing>();

export function ringOf(keys: readonly Fields[], checkFor: CheckFor | undefined): KeyRing {
  let ring = rings.get(keys);
  if (ring === undefined) {
    ring = new KeyRing(keys, checkFor);
    rings.set(keys, ring);
  }
  return ring;
}
