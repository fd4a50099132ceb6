/** Who a client is by its certificate, and whether a listener takes it. */
import { createHash } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';
import type { ListenerTls } from '../../src/model/snapshot.ts';
import type { KnownCertificate, KnownCertificates } from './known-certificates.ts';
import { subjectFits } from './names.ts';

export interface VerifiedClient {
  /** A client certificate was presented and verified. */
  readonly mutual: boolean;
  /** `trust.domain/ns/a/sa/b`, of a verified certificate with exactly one SPIFFE URI. */
  readonly principal?: string;
  /** The verified certificate, DER. */
  readonly certificate?: Buffer;
  /** Until when it holds, in ms since the epoch. */
  readonly expiresMs?: number;
}

const NOBODY: VerifiedClient = { mutual: false };

/** A text says why the client is refused. */
export function checkClient(
  tls: ListenerTls,
  certificate: X509Certificate | undefined,
  isVerified: boolean,
  known: KnownCertificates,
): VerifiedClient | string {
  const isOptional = tls.mode === 'OPTIONAL_MUTUAL' || tls.mode === 'SIMPLE';
  if (certificate === undefined) return isOptional ? NOBODY : 'no client certificate';
  if (!isVerified)
    return isOptional && tls.takesUnverified === true
      ? NOBODY
      : 'the client certificate is of no authority that is taken here';
  const read = known.read(certificate.raw);
  if (read === undefined) return 'the names of the client certificate can not be read';
  const { subjectAltNames: wanted } = tls;
  if (wanted !== undefined && !wanted.some((name) => subjectFits(read.names, name)))
    return 'the client certificate shows none of the names that are wanted';
  if (!isPinned(tls, read)) return 'the client certificate fits no pin';
  const { der, identity, expiresMs } = read;
  return {
    mutual: true,
    certificate: der,
    ...(identity === undefined ? {} : { principal: identity }),
    ...(expiresMs === undefined ? {} : { expiresMs }),
  };
}

const sha256 = (bytes: Uint8Array, encoding: 'base64' | 'hex'): string =>
  createHash('sha256').update(bytes).digest(encoding);

/** A hit in either list is enough. */
function isPinned(tls: ListenerTls, { der, publicKey }: KnownCertificate): boolean {
  const { verifyCertificateSpki: keys, verifyCertificateHash: hashes } = tls;
  if (keys === undefined && hashes === undefined) return true;
  if (keys?.includes(sha256(publicKey, 'base64')) === true) return true;
  const hash = sha256(der, 'hex');
  return hashes?.some((pin) => pin.replaceAll(':', '').toLowerCase() === hash) === true;
}
