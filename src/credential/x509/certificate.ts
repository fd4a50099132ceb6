/** A certificate, read from its bytes alone: no text that describes names is ever taken apart. */
import type { Element } from './der.ts';
import {
  DerFault,
  TAG,
  bitsOf,
  element,
  elements,
  expected,
  hexOf,
  isTrue,
  sequence,
  timeOf,
} from './der.ts';

export interface Certificate {
  /** Lower-case hex without leading zeros. */
  readonly serial: string;
  /** Names as their bytes in hex, to be compared. */
  readonly issuer: string;
  readonly subject: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly isAuthority: boolean;
  /** How many authorities may stand below it. */
  readonly pathLength: number | undefined;
  readonly usage: { readonly signs: boolean; readonly certifies: boolean } | undefined;
  /** OIDs in hex; undefined = for anything. */
  readonly purposes: readonly string[] | undefined;
  readonly uris: readonly string[];
  /** It says for which names it certifies: nobody here holds anything against that. */
  readonly constrainsNames: boolean;
  readonly signature: {
    readonly algorithm: string;
    readonly value: Uint8Array<ArrayBuffer>;
    readonly signed: Uint8Array<ArrayBuffer>;
  };
}

const VERSION_3 = 'a003020102';
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
const URI_NAME = 0x86;
const MAX_BYTES = 16_384;

/** By their OIDs in hex. */
const EXTENSION = {
  keyUsage: '551d0f',
  altName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  extendedUsage: '551d25',
} as const;
/** Say nothing about whom a certificate is for: subject and authority key ids, CRL points, policies, authority access. */
const HARMLESS = ['551d0e', '551d23', '551d1f', '551d20', '2b06010505070101'];

interface Extension {
  readonly isCritical: boolean;
  readonly value: Uint8Array<ArrayBuffer>;
}

type Extensions = ReadonlyMap<string, Extension>;

function readExtensions(found: Element | undefined): Extensions {
  const list = sequence(elements(expected(found, EXTENSIONS).content)[0]);
  const extensions = new Map<string, Extension>();
  for (const item of list) {
    const parts = sequence(item);
    const id = hexOf(expected(parts[0], TAG.oid).content);
    const isCritical = parts.length === 3 && isTrue(parts[1]);
    const { content: value } = expected(parts.at(-1), TAG.octets);
    if (extensions.has(id)) throw new DerFault('an extension stands twice');
    extensions.set(id, { isCritical, value });
  }
  const known: readonly string[] = Object.values(EXTENSION);
  for (const [id, { isCritical }] of extensions)
    if (isCritical && !known.includes(id) && !HARMLESS.includes(id))
      throw new DerFault('a critical extension that nobody knows');
  return extensions;
}

function usageOf(extensions: Extensions): Certificate['usage'] {
  const found = extensions.get(EXTENSION.keyUsage);
  if (found === undefined) return undefined;
  const { content } = element(found.value, TAG.bits);
  const bits = content[1] ?? 0;
  // digitalSignature is the first bit, keyCertSign and cRLSign the sixth and seventh.
  return { signs: (bits & 0x80) !== 0, certifies: (bits & 0x06) !== 0 };
}

function basicsOf(extensions: Extensions): Pick<Certificate, 'isAuthority' | 'pathLength'> {
  const found = extensions.get(EXTENSION.basicConstraints);
  const parts = found === undefined ? [] : sequence(element(found.value, TAG.sequence));
  const isAuthority = parts[0]?.tag === TAG.boolean && isTrue(parts[0]);
  const length = parts.find(({ tag }) => tag === TAG.integer)?.content;
  if (length !== undefined && (length.length !== 1 || (length[0] as number) > 127))
    throw new DerFault('path length');
  return { isAuthority, pathLength: length?.[0] };
}

function urisOf(extensions: Extensions): readonly string[] {
  const found = extensions.get(EXTENSION.altName);
  if (found === undefined) return [];
  return sequence(element(found.value, TAG.sequence))
    .filter(({ tag }) => tag === URI_NAME)
    .map(({ content }) => String.fromCharCode(...content));
}

function purposesOf(extensions: Extensions): Certificate['purposes'] {
  const found = extensions.get(EXTENSION.extendedUsage);
  if (found === undefined) return undefined;
  return sequence(element(found.value, TAG.sequence)).map((purpose) =>
    hexOf(expected(purpose, TAG.oid).content),
  );
}

function serialOf(found: Element | undefined): string {
  return hexOf(expected(found, TAG.integer).content).replace(/^0+(?=.)/, '');
}

/** @throws DerFault for anything but a certificate of version 3 */
export function readCertificate(der: Uint8Array<ArrayBuffer>): Certificate {
  if (der.length > MAX_BYTES) throw new DerFault('too large');
  const [signed, algorithm, signature, ...more] = sequence(element(der, TAG.sequence));
  const parts = sequence(signed);
  const [version, serial, inner, issuer, validity, subject, publicKey, ...rest] = parts;
  if (more.length > 0 || signed === undefined) throw new DerFault('parts');
  if (version?.tag !== VERSION || hexOf(version.whole) !== VERSION_3) throw new DerFault('version');
  const named = hexOf(expected(algorithm, TAG.sequence).whole);
  if (named !== hexOf(expected(inner, TAG.sequence).whole)) throw new DerFault('two algorithms');
  const [from, until] = sequence(validity);
  const extensions = readExtensions(rest.find(({ tag }) => tag === EXTENSIONS));
  return {
    serial: serialOf(serial),
    issuer: hexOf(expected(issuer, TAG.sequence).whole),
    subject: hexOf(expected(subject, TAG.sequence).whole),
    notBeforeMs: timeOf(from),
    notAfterMs: timeOf(until),
    publicKey: expected(publicKey, TAG.sequence).whole,
    ...basicsOf(extensions),
    usage: usageOf(extensions),
    purposes: purposesOf(extensions),
    uris: urisOf(extensions),
    constrainsNames: extensions.has(EXTENSION.nameConstraints),
    signature: { algorithm: named, value: bitsOf(signature), signed: signed.whole },
  };
}

const PEM = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g;

/** @throws DerFault */
export function readPem(pem: string): readonly Certificate[] {
  return [...pem.matchAll(PEM)].map(([, text = '']) => readCertificate(readBase64(text)));
}

/** @throws DerFault */
export function readBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text.replaceAll(/\s/g, '')), (char) => char.charCodeAt(0));
  } catch {
    throw new DerFault('base64');
  }
}
