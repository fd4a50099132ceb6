/** X.509 over WebCrypto, and what every part of the authority needs of it. The library wants the metadata first. */
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

export type Bytes = Uint8Array<ArrayBuffer>;

/** Of an authority's key: these are signed with, and no others. */
export type KeyKind = 'P-256' | 'P-384' | 'RSA';

const IMPORT = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384' },
  RSA: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
} as const;

const SIGN = {
  'P-256': { name: 'ECDSA', hash: 'SHA-256' },
  'P-384': { name: 'ECDSA', hash: 'SHA-384' },
  RSA: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
} as const;

const JWS = { 'P-256': 'ES256', 'P-384': 'ES384', RSA: 'RS256' } as const;

type ImportAlgorithm = (typeof IMPORT)[KeyKind];
type SignAlgorithm = (typeof SIGN)[KeyKind];

export const importAlgorithm = (kind: KeyKind): ImportAlgorithm => IMPORT[kind];
export const signAlgorithm = (kind: KeyKind): SignAlgorithm => SIGN[kind];
/** `alg` of a JWS by such a key (RFC 7518). */
export const jwsAlgorithm = (kind: KeyKind): (typeof JWS)[KeyKind] => JWS[kind];

export const OID = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

const SERIAL_BYTES = 16;

export function hexOf(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return hex;
}

export function base64Of(bytes: ArrayBuffer | Uint8Array): string {
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  let text = '';
  for (const byte of view) text += String.fromCharCode(byte);
  return btoa(text);
}

/** @throws when it is no base64 */
export function bytesOf(base64: string): Bytes {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** A random number whose first digit is never 0 and whose sign is never negative (RFC 5280, 4.1.2.2). */
export function newSerial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SERIAL_BYTES));
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return hexOf(bytes);
}

/** Lower-case hex without leading zeros, from whatever way somebody writes it; undefined = it is no serial. */
export function readSerial(text: string): string | undefined {
  const hex = text
    .replaceAll(':', '')
    .replace(/^0x/i, '')
    .toLowerCase()
    .replace(/^0+(?=.)/, '');
  return /^[0-9a-f]{1,40}$/.test(hex) ? hex : undefined;
}

/** A new pair on P-256, whose private half can be exported. */
export async function newKeyPair(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
}

/** PKCS#8 of a key that can be exported. */
export async function privateBytes(key: CryptoKey): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.exportKey('pkcs8', key));
}

/** Certificates know whole seconds. */
export const wholeSecondMs = (ms: number): number => Math.floor(ms / 1000) * 1000;

export const pemOf = (certificate: x509.X509Certificate): string =>
  `${certificate.toString('pem')}\n`;

export { x509 };
