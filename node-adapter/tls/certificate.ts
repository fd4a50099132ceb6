/**
 * What of a certificate decides who somebody is, read from its bytes. Text that describes names can be forged by the
 * names themselves (a DNS name may hold a comma and `URI:`), so none is ever taken apart.
 */
import { elementsOf, readElement } from './der.ts';
import { readExtensions } from './extensions.ts';
import type { Extensions } from './extensions.ts';

export interface Certificate extends Extensions {
  /** Hex without leading zeros. */
  readonly serial: string;
  /** SubjectPublicKeyInfo as it stands. */
  readonly publicKey: Uint8Array;
}

const TAG = { integer: 0x02, sequence: 0x30, version: 0xa0, extensions: 0xa3 } as const;

/** Undefined = no certificate, or one whose names and uses can't be told for sure. */
export function readCertificate(der: Uint8Array): Certificate | undefined {
  const outer = readElement(der);
  const signed = outer?.tag === TAG.sequence ? readElement(outer.content) : undefined;
  const parts = signed?.tag === TAG.sequence ? elementsOf(signed.content) : undefined;
  if (parts === undefined) return undefined;
  // Version, serial number, signature, issuer, validity, subject, public key, ..., extensions.
  const serialAt = parts[0]?.tag === TAG.version ? 1 : 0;
  const keyAt = serialAt + 5;
  const [serial, key] = [parts[serialAt], parts[keyAt]];
  if (serial?.tag !== TAG.integer || key?.tag !== TAG.sequence) return undefined;
  const listed = parts.find(({ tag }, index) => index > keyAt && tag === TAG.extensions);
  const extensions = readExtensions(listed?.content);
  return extensions === undefined
    ? undefined
    : { ...extensions, serial: serialOf(serial.content), publicKey: key.whole };
}

const serialOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/^0+(?=.)/, '');
