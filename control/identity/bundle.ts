/** SPIFFE bundles: what a trust domain publishes of itself, and what is read of another's (SPIFFE Trust Domain and Bundle, 4). */
import { refuse } from './chain.ts';
import { x509, base64Of, bytesOf, pemOf } from './x509.ts';

export type Jwk = Readonly<Record<string, unknown>>;

export interface Bundle {
  /** PEM. */
  readonly roots: readonly string[];
  /** JWKs with kid and alg. */
  readonly tokenKeys: readonly Jwk[];
  readonly sequence?: number;
  readonly refreshHintMs?: number;
}

const MAX_KEYS = 100;
const MAX_TEXT = 1024 * 1024;
const PUBLIC_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e', 'kid', 'alg'];
/** What WIT-SVID allows, by curve; EdDSA isn't among it. */
const ALGORITHM: Readonly<Record<string, string>> = { 'P-256': 'ES256', 'P-384': 'ES384' };

function publicMembers(jwk: Jwk): Jwk {
  return Object.fromEntries(
    PUBLIC_MEMBERS.flatMap((name) => (jwk[name] === undefined ? [] : [[name, jwk[name]]])),
  );
}

async function rootKey(pem: string): Promise<Jwk> {
  const certificate = new x509.X509Certificate(pem);
  const key = await certificate.publicKey.export();
  const { alg: _alg, ...jwk } = publicMembers({ ...(await crypto.subtle.exportKey('jwk', key)) });
  return { use: 'x509-svid', ...jwk, x5c: [base64Of(certificate.rawData)] };
}

/** The document that a bundle endpoint serves. */
export async function bundleDocument({
  roots,
  tokenKeys,
  sequence = 0,
  refreshHintMs = 0,
}: Bundle): Promise<Record<string, unknown>> {
  return {
    keys: [
      ...(await Promise.all(roots.map((pem) => rootKey(pem)))),
      ...tokenKeys.map((jwk) => ({ ...publicMembers(jwk), use: 'wit-svid' })),
    ],
    spiffe_sequence: sequence,
    spiffe_refresh_hint: Math.floor(refreshHintMs / 1000),
  };
}

function readRoot(jwk: Jwk, place: string): string {
  const { x5c } = jwk;
  const der: unknown = Array.isArray(x5c) && x5c.length === 1 ? x5c[0] : undefined;
  if (typeof der !== 'string') throw refuse(`${place}: x5c: want one certificate`);
  let certificate: x509.X509Certificate;
  try {
    certificate = new x509.X509Certificate(bytesOf(der));
  } catch {
    throw refuse(`${place}: x5c: it is no certificate (base64 of DER)`);
  }
  if (certificate.getExtension(x509.BasicConstraintsExtension)?.ca !== true)
    throw refuse(`${place}: x5c: the certificate is no authority, want CA:TRUE`);
  return pemOf(certificate);
}

function readTokenKey(jwk: Jwk, place: string): Jwk {
  const { kid, kty, crv } = jwk;
  if (typeof kid !== 'string' || kid === '')
    throw refuse(`${place}: kid: a wit-svid key needs one`);
  const alg = kty === 'RSA' ? (jwk['alg'] ?? 'RS256') : ALGORITHM[String(crv)];
  if ((kty !== 'EC' && kty !== 'RSA') || typeof alg !== 'string' || (jwk['alg'] ?? alg) !== alg)
    throw refuse(
      `${place}: kty ${String(kty)}, crv ${String(crv)}, alg ${String(jwk['alg'])}: want EC on P-256 or P-384 with its own alg, or RSA`,
    );
  return { ...publicMembers(jwk), alg };
}

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

/** What another domain publishes. Empty `keys` mean that it believes in nobody. @throws Problem 422 */
export function readBundle(text: string): Bundle {
  if (text.length > MAX_TEXT) throw refuse(`bundle: more than ${MAX_TEXT} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse('bundle: it is no JSON');
  }
  const document = (typeof value === 'object' && value !== null ? value : {}) as Jwk;
  const { keys } = document;
  if (!Array.isArray(keys) || keys.length > MAX_KEYS)
    throw refuse(`bundle: keys: want a list of at most ${MAX_KEYS} keys`);
  const roots: string[] = [];
  const tokenKeys: Jwk[] = [];
  for (const [index, one] of keys.entries()) {
    const place = `bundle: keys[${index}]`;
    const jwk = (typeof one === 'object' && one !== null ? one : {}) as Jwk;
    if (jwk['d'] !== undefined || jwk['k'] !== undefined)
      throw refuse(`${place}: it has a private or secret half, which must not be shown to anybody`);
    if (jwk['use'] === 'x509-svid') roots.push(readRoot(jwk, place));
    else if (jwk['use'] === 'wit-svid') tokenKeys.push(readTokenKey(jwk, place));
    // What has another use, or none, is for somebody else (4.2.2).
  }
  const sequence = count(document['spiffe_sequence']);
  const hint = count(document['spiffe_refresh_hint']);
  return {
    roots: [...new Set(roots)].sort(),
    tokenKeys,
    ...(sequence === undefined ? {} : { sequence }),
    ...(hint === undefined ? {} : { refreshHintMs: hint * 1000 }),
  };
}
