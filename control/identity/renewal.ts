/** Renewal: the certificate in use signs for a new key. Its identity stays; nothing that has ended is renewed. */
import { compactVerify, decodeProtectedHeader } from 'jose';
import { CLOCK_SKEW_MS, RENEWAL_TYPE } from '../../src/delivery/joining.ts';
import { spiffeUri } from '../../src/lib/spiffe-id.ts';
import type { Authority } from './authority.ts';
import { requestedKey } from './certification-request.ts';
import { readPresented } from './presented.ts';
import type { Presented } from './presented.ts';
import { Refusal } from './refusal.ts';

export interface ProvenRenewal {
  readonly identity: string;
  /** Of the certificate that is renewed. */
  readonly serial: string;
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly nonce: string;
  /** By what the proof is known again, and until when. */
  readonly once: string;
  readonly onceUntilMs: number;
}

const MUST_JOIN = 'must join again: give the proxy a new join token, or an OIDC token';
const NONCE = /^[\w-]{16,128}$/;

interface Wanted {
  readonly aud: unknown;
  readonly iat: unknown;
  readonly jti: unknown;
  readonly csr: unknown;
}

const malformed = (reason: string): Refusal =>
  new Refusal('malformed', { reason, told: `proof: ${reason}` });

function chainOf(proof: string): readonly unknown[] {
  try {
    const { x5c, typ, alg } = decodeProtectedHeader(proof);
    if (typ === RENEWAL_TYPE && alg === 'ES256' && Array.isArray(x5c)) return x5c;
  } catch {
    // Said below.
  }
  throw malformed(`want a compact JWS, typ ${RENEWAL_TYPE}, ES256, with the certificate as x5c`);
}

async function claimsOf(proof: string, { publicKey }: Presented): Promise<Wanted> {
  try {
    const key = await crypto.subtle.importKey(
      'spki',
      publicKey,
      { name: 'ECDSA', namedCurve: 'P-256' },
      false,
      ['verify'],
    );
    const { payload } = await compactVerify(proof, key, { algorithms: ['ES256'] });
    return JSON.parse(new TextDecoder().decode(payload)) as Wanted;
  } catch {
    throw new Refusal('untrusted', { reason: 'a proof that is not by the key of its certificate' });
  }
}

export class Renewals {
  readonly #authority: Authority;
  readonly #nowMs: () => number;

  constructor(authority: Authority, nowMs: () => number) {
    this.#authority = authority;
    this.#nowMs = nowMs;
  }

  /** @throws Refusal; who has the key of a certificate of ours is told why */
  async verify(proof: string): Promise<ProvenRenewal> {
    const trust = await this.#authority.trust();
    const { trustDomain } = this.#authority;
    const roots = trust?.roots[trustDomain] ?? [];
    const presented = await readPresented(chainOf(proof), { trustDomain, roots }, this.#nowMs());
    const claims = await claimsOf(proof, presented);
    await this.#checkHolds(presented);
    const { aud, iat, jti, csr } = this.#check(claims, presented);
    const publicKey = await requestedKey(csr);
    if (isSame(publicKey, presented.publicKey))
      throw new Refusal('same-key', {
        reason: `${presented.identity} asks for the key that it has`,
        told: 'csr: want a new key with each renewal',
      });
    const { identity, serial } = presented;
    const once = `renewal/${aud}/${serial}/${jti}`;
    const onceUntilMs = iat * 1000 + 2 * CLOCK_SKEW_MS;
    return { identity, serial, publicKey, nonce: jti, once, onceUntilMs };
  }

  async #checkHolds(presented: Presented): Promise<void> {
    const { identity, serial, notAfterMs } = presented;
    if (this.#nowMs() >= notAfterMs)
      throw new Refusal('expired', {
        reason: `certificate ${serial} of ${identity} has expired`,
        told: `certificate ${serial} has expired: ${MUST_JOIN}`,
      });
    if (await this.#authority.isDenied(presented))
      throw new Refusal('denied', {
        reason: `certificate ${serial} of ${identity} is denied`,
        told: `certificate ${serial} or its identity is denied: ${MUST_JOIN}`,
      });
  }

  #check(
    { aud, iat, jti, csr }: Wanted,
    { identity }: Presented,
  ): {
    readonly aud: string;
    readonly iat: number;
    readonly jti: string;
    readonly csr: string;
  } {
    const wanted = spiffeUri(this.#authority.trustDomain);
    if (aud !== wanted) throw malformed(`aud: want ${wanted}`);
    if (typeof jti !== 'string' || !NONCE.test(jti))
      throw malformed('jti: want 16 to 128 of a-z, A-Z, 0-9, - and _');
    if (typeof iat !== 'number' || !Number.isFinite(iat)) throw malformed('iat: want seconds');
    if (typeof csr !== 'string') throw malformed('csr: want PKCS#10 (DER) in base64');
    const offMs = Math.abs(this.#nowMs() - iat * 1000);
    if (offMs > CLOCK_SKEW_MS)
      throw new Refusal('skew', {
        reason: `${identity} proves with a time that is ${Math.round(offMs / 1000)} s off`,
        told: `iat is ${Math.round(offMs / 1000)} s off, and may be ${CLOCK_SKEW_MS / 1000}: set the clock of the machine`,
      });
    return { aud: wanted, iat, jti, csr };
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
