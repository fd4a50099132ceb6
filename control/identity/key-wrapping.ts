/**
 * Private keys at rest: PKCS#8 under AES-256-GCM, by a key that HKDF makes of a secret which the store never sees. What
 * a key is for is authenticated with it, so that one can't be put in another's place. A wrapped key names the secret
 * that it needs, so that secrets can be exchanged.
 */
import { Problem } from '../problem.ts';
import type { Bytes, KeyKind } from './x509.ts';
import { base64Of, bytesOf, hexOf, importAlgorithm } from './x509.ts';

export interface WrappedKey {
  /** Says which secret; says nothing of what it is. */
  readonly kekId: string;
  /** Base64. */
  readonly iv: string;
  readonly data: string;
}

export interface KeyWrapping {
  /** Of the secret that new keys are wrapped with. */
  readonly kekId: string;
  /** `purpose` is authenticated: unwrapping for another one fails. */
  wrap(pkcs8: Bytes, purpose: string): Promise<WrappedKey>;
  /** For signing alone, and nobody can export it. @throws Problem 503 when its secret isn't here */
  unwrap(key: WrappedKey, kind: KeyKind, purpose: string): Promise<CryptoKey>;
  /** The same key under the newest secret. @throws Problem 503 */
  rewrap(key: WrappedKey, purpose: string): Promise<WrappedKey>;
}

/** Fewer characters can be guessed. */
export const MIN_SECRET = 32;
const IV_BYTES = 12;
const ID_BYTES = 8;
const encoder = new TextEncoder();
const SALT = encoder.encode('lateen certificate authority');

interface Kek {
  readonly id: string;
  readonly key: CryptoKey;
}

async function kekOf(secret: string): Promise<Kek> {
  const material = await crypto.subtle.importKey('raw', encoder.encode(secret), 'HKDF', false, [
    'deriveBits',
    'deriveKey',
  ]);
  const hkdf = (info: string) => ({
    name: 'HKDF',
    hash: 'SHA-256',
    salt: SALT,
    info: encoder.encode(info),
  });
  const id = await crypto.subtle.deriveBits(hkdf('key id'), material, ID_BYTES * 8);
  const key = await crypto.subtle.deriveKey(
    hkdf('key wrapping'),
    material,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt', 'unwrapKey'],
  );
  return { id: hexOf(new Uint8Array(id)), key };
}

class SecretWrapping implements KeyWrapping {
  readonly #keks: readonly [Kek, ...Kek[]];

  constructor(keks: readonly [Kek, ...Kek[]]) {
    this.#keks = keks;
  }

  get kekId(): string {
    return this.#keks[0].id;
  }

  async wrap(pkcs8: Bytes, purpose: string): Promise<WrappedKey> {
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const { id, key } = this.#keks[0];
    const data = await crypto.subtle.encrypt(parameters(iv, purpose), key, pkcs8);
    return { kekId: id, iv: base64Of(iv), data: base64Of(data) };
  }

  async unwrap(wrapped: WrappedKey, kind: KeyKind, purpose: string): Promise<CryptoKey> {
    const kek = this.#kek(wrapped);
    try {
      return await crypto.subtle.unwrapKey(
        'pkcs8',
        bytesOf(wrapped.data),
        kek,
        parameters(bytesOf(wrapped.iv), purpose),
        importAlgorithm(kind),
        false,
        ['sign'],
      );
    } catch {
      throw damaged(purpose);
    }
  }

  async rewrap(wrapped: WrappedKey, purpose: string): Promise<WrappedKey> {
    const kek = this.#kek(wrapped);
    let pkcs8: Bytes;
    try {
      const iv = parameters(bytesOf(wrapped.iv), purpose);
      pkcs8 = new Uint8Array(await crypto.subtle.decrypt(iv, kek, bytesOf(wrapped.data)));
    } catch {
      throw damaged(purpose);
    }
    const again = await this.wrap(pkcs8, purpose);
    pkcs8.fill(0);
    return again;
  }

  #kek({ kekId }: WrappedKey): CryptoKey {
    const found = this.#keks.find(({ id }) => id === kekId);
    if (found !== undefined) return found.key;
    throw new Problem(
      503,
      'no signer',
      `the authority's key is wrapped with the secret ${kekId}, the one given is ${this.kekId}: ` +
        'give the one before too (LATEEN_CA_SECRET_OLD, in a Worker CA_SECRET_OLD), then run `lateen ca rewrap`',
    );
  }
}

const parameters = (iv: Bytes, purpose: string) => ({
  name: 'AES-GCM',
  iv,
  additionalData: encoder.encode(purpose),
});

const damaged = (purpose: string): Problem =>
  new Problem(503, 'no signer', `the wrapped key of ${purpose} is damaged, or is another's`);

/** Undefined = it may be used; else why not. */
export function secretFault(secret: string): string | undefined {
  return secret.length < MIN_SECRET
    ? `the authority's secret has ${secret.length} characters, want at least ${MIN_SECRET}`
    : undefined;
}

/** @throws Problem 503 when a secret is too short */
export async function createKeyWrapping(secret: string, before?: string): Promise<KeyWrapping> {
  const secrets = before === undefined || before === '' ? [secret] : [secret, before];
  for (const one of secrets) {
    const fault = secretFault(one);
    if (fault !== undefined) throw new Problem(503, 'no signer', fault);
  }
  const [newest, ...older] = await Promise.all(secrets.map((one) => kekOf(one)));
  if (newest === undefined) throw new Problem(503, 'no signer', 'no secret is given');
  return new SecretWrapping([newest, ...older]);
}
