/** Which JSON Web Keys may verify tokens, and with what (RFC 7517, RFC 7518, RFC 8037). */
import { decodeBase64url } from './base64url.ts';
import type { Fields } from './fields.ts';
import { isFields } from './fields.ts';

const ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  RSA: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  'EC P-256': ['ES256'],
  'EC P-384': ['ES384'],
  'EC P-521': ['ES512'],
  'OKP Ed25519': ['EdDSA', 'Ed25519'],
  oct: ['HS256', 'HS384', 'HS512'],
};
const KNOWN: ReadonlySet<unknown> = new Set(Object.values(ALGORITHMS).flat());
const COORDINATE_BYTES: Readonly<Record<string, number>> = {
  'EC P-256': 32,
  'EC P-384': 48,
  'EC P-521': 66,
  'OKP Ed25519': 32,
};
/** By which somebody who can verify can't sign. */
export const PUBLIC_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;
const MEMBERS = ['kty', 'kid', 'alg', 'n', 'e', 'crv', 'x', 'y', 'k'] as const;
/** RFC 7518, 6: these make a private key of an asymmetric one. */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth'];
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 16_384;
const MAX_EXPONENT_BYTES = 8;
const MAX_KID = 1024;

function kindOf(key: Fields): string {
  const { kty, crv } = key;
  return kty === 'EC' || kty === 'OKP' ? `${kty} ${String(crv)}` : String(kty);
}

/** Is it one that any key could have? */
export function isAlgorithm(alg: unknown): boolean {
  return KNOWN.has(alg);
}

/** What the key's type and curve can do, and its own `alg` if it has one. */
export function algorithmsOf(key: Fields): readonly string[] {
  const kind = kindOf(key);
  const able = Object.hasOwn(ALGORITHMS, kind) ? (ALGORITHMS[kind] ?? []) : [];
  return typeof key['alg'] === 'string' ? able.filter((alg) => alg === key['alg']) : able;
}

function bytesOf(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' ? decodeBase64url(value) : undefined;
}

const bitsOf = (bytes: Uint8Array): number => {
  const from = bytes.findIndex((byte) => byte !== 0);
  return from < 0 ? 0 : (bytes.length - from) * 8 - Math.clz32(bytes[from] ?? 0) + 24;
};

function rsaFault({ n, e }: Fields): string | undefined {
  const [modulus, exponent] = [bytesOf(n), bytesOf(e)];
  if (modulus === undefined || exponent === undefined) return 'n or e is no base64url';
  const bits = bitsOf(modulus);
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS)
    return `its modulus has ${bits} bits, want ${MIN_RSA_BITS} to ${MAX_RSA_BITS}`;
  const isOdd = (exponent.at(-1) ?? 0) % 2 === 1;
  // With 1 everybody can sign; a huge one makes each check dear.
  return isOdd && bitsOf(exponent) > 1 && exponent.length <= MAX_EXPONENT_BYTES
    ? undefined
    : `its exponent is no odd number from 3 to ${MAX_EXPONENT_BYTES * 8} bits`;
}

function coordinateFault(key: Fields): string | undefined {
  const length = COORDINATE_BYTES[kindOf(key)];
  const names = key['kty'] === 'EC' ? ['x', 'y'] : ['x'];
  return names.every((name) => bytesOf(key[name])?.length === length)
    ? undefined
    : `${names.join(' and ')} must have ${String(length)} bytes each`;
}

/** Why a key can verify nothing; undefined = it can. */
export function keyFault(key: unknown): string | undefined {
  if (!isFields(key)) return 'it is no object';
  const fields = key;
  for (const name of MEMBERS)
    if (fields[name] !== undefined && typeof fields[name] !== 'string')
      return `its ${name} is no text`;
  if (typeof fields['kid'] === 'string' && fields['kid'].length > MAX_KID)
    return `its kid has more than ${MAX_KID} characters`;
  if (algorithmsOf(fields).length === 0)
    return `no algorithm is known for ${kindOf(fields)} with alg ${String(fields['alg'])}`;
  if (fields['kty'] === 'RSA') return rsaFault(fields);
  if (fields['kty'] !== 'oct') return coordinateFault(fields);
  return (bytesOf(fields['k'])?.length ?? 0) > 0 ? undefined : 'k is no base64url or empty';
}

/** Why a key that anybody can fetch is not for verifying tokens. */
export function publishedKeyFault(key: unknown): string | undefined {
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  const fields = key as Fields;
  if (fields['kty'] === 'oct') return 'a shared secret that is published is none';
  const secret = PRIVATE.find((name) => name in fields);
  if (secret !== undefined) return `it has the private member ${secret}`;
  if (fields['use'] !== undefined && fields['use'] !== 'sig')
    return `its use is ${JSON.stringify(fields['use'])}, want "sig"`;
  const operations = fields['key_ops'];
  const verifies =
    operations === undefined || (Array.isArray(operations) && operations.includes('verify'));
  return verifies ? undefined : 'its key_ops lack verify';
}

/** Nothing but what verifying needs: private members, certificates and remarks stay behind. */
export function verifyingKey(key: Fields): Fields {
  const isSecret = key['kty'] === 'oct';
  const kept = MEMBERS.filter((name) => key[name] !== undefined && (name !== 'k' || isSecret));
  return Object.fromEntries(kept.map((name) => [name, key[name]]));
}

export function holdsPrivate(key: Fields): boolean {
  return PRIVATE.some((name) => name in key) || key['kty'] === 'oct';
}
