/**
 * What certificates of peers show, kept for peers that come again. It follows from their bytes alone, and these are
 * the key: whether a certificate holds is asked of OpenSSL for every connection.
 */
import { X509Certificate } from 'node:crypto';
import { readCertificate } from '../../src/lib/x509/certificate.ts';
import type { Certificate } from '../../src/lib/x509/certificate.ts';
import { shownIdentity, svidFault } from '../../src/lib/x509/svid.ts';
import { expiryOf } from './expiry.ts';
import { keyFault } from './key-strength.ts';

export interface KnownCertificate extends Certificate {
  readonly der: Buffer;
  readonly x509: X509Certificate;
  /** `trust.domain/ns/a/sa/b`, where it shows exactly one SPIFFE URI. */
  readonly identity: string | undefined;
  /** Why it is no workload's of any mesh. */
  readonly fault: string | undefined;
  /** Until when it holds, in ms since the epoch; undefined = nobody can read it. */
  readonly expiresMs: number | undefined;
}

const MAX_KNOWN = 1024;
/** Larger ones are read anew each time. */
const MAX_BYTES = 4096;

export class KnownCertificates {
  readonly #known = new Map<string, KnownCertificate>();

  get size(): number {
    return this.#known.size;
  }

  /** Only of certificates that were verified: nobody else fills the memory. Undefined = it can't be read. */
  read(der: Buffer): KnownCertificate | undefined {
    if (der.length > MAX_BYTES) return described(der);
    const key = der.latin1Slice();
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const fresh = described(der);
    if (fresh === undefined) return undefined;
    const [oldest] = this.#known.size < MAX_KNOWN ? [] : this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(key, fresh);
    return fresh;
  }
}

function described(der: Buffer): KnownCertificate | undefined {
  const read = readCertificate(der);
  if (read === undefined) return undefined;
  try {
    const x509 = new X509Certificate(der);
    const identity = shownIdentity(read.names);
    const fault = svidFault(read) ?? keyFault(x509);
    return { ...read, der, x509, identity, fault, expiresMs: expiryOf(x509) };
  } catch {
    return undefined;
  }
}
