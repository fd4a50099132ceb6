/**
 * A certificate, read from its bytes alone: text that describes names can be forged by the names themselves (a DNS name
 * may hold a comma and `URI:`), so none is ever taken apart. Whether it holds, and for what, is for callers to judge.
 */
import type { Element } from './der.ts';
import { DerFault, TAG, bitsOf, element, expected, hexOf, sequence, timeOf } from './der.ts';
import type { Extensions } from './extensions.ts';
import { readExtensions } from './extensions.ts';

export interface Certificate extends Extensions {
  /** 1 to 3. */
  readonly version: number;
  /** Lower-case hex without leading zeros. */
  readonly serial: string;
  readonly issuer: Element;
  readonly subject: Element;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly signature: {
    /** AlgorithmIdentifier. */
    readonly algorithm: Element;
    readonly value: Uint8Array;
    readonly signed: Uint8Array;
  };
}

const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
const VERSIONS: Readonly<Record<string, number>> = { a003020101: 2, a003020102: 3 };
/** More than any handshake carries. */
const MAX_BYTES = 131_072;

/** Undefined = no certificate, or one that can be read in two ways. */
export function readCertificate(der: Uint8Array): Certificate | undefined {
  if (der.length > MAX_BYTES) return undefined;
  try {
    return read(der);
  } catch (error) {
    if (error instanceof DerFault) return undefined;
    throw error;
  }
}

function read(der: Uint8Array): Certificate {
  const [signed, algorithm, signature, ...more] = sequence(element(der, TAG.sequence));
  if (more.length > 0) throw new DerFault('parts');
  const parts = sequence(signed);
  const version = parts[0]?.tag === VERSION ? VERSIONS[hexOf(parts[0].whole)] : 1;
  if (version === undefined) throw new DerFault('version');
  const fields = version === 1 ? parts : parts.slice(1);
  const [serial, inner, issuer, validity, subject, publicKey, ...rest] = fields;
  const named = expected(algorithm, TAG.sequence);
  if (hexOf(named.whole) !== hexOf(expected(inner, TAG.sequence).whole))
    throw new DerFault('two algorithms');
  const [from, until] = sequence(validity);
  return {
    ...readExtensions(extensionsIn(rest, version)),
    version,
    serial: hexOf(expected(serial, TAG.integer).content).replace(/^0+(?=.)/, ''),
    issuer: expected(issuer, TAG.sequence),
    subject: expected(subject, TAG.sequence),
    notBeforeMs: timeOf(from),
    notAfterMs: timeOf(until),
    publicKey: expected(publicKey, TAG.sequence).whole,
    signature: {
      algorithm: named,
      value: bitsOf(signature),
      signed: expected(signed, TAG.sequence).whole,
    },
  };
}

/** Extensions that a version doesn't have count for some readers and not for others. */
function extensionsIn(fields: readonly Element[], version: number): readonly Element[] {
  const [found, ...more] = fields.filter(({ tag }) => tag === EXTENSIONS);
  if (found === undefined) return [];
  if (more.length > 0 || version !== 3) throw new DerFault('extensions');
  return sequence(element(found.content, TAG.sequence));
}
