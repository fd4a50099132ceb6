/** Who a client is by its certificate, and whether a listener takes it. */
import { createHash } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';
import { trustDomainOf } from '../../src/lib/spiffe-id.ts';
import type { ListenerTls } from '../../src/model/snapshot.ts';
import { sentWith } from './chain.ts';
import type { KnownCertificate, KnownCertificates } from './known-certificates.ts';
import { subjectFits } from './names.ts';
import type { MeshTrust } from './trust.ts';

export interface VerifiedClient {
  /** A client certificate was presented and verified. */
  readonly mutual: boolean;
  /** `trust.domain/ns/a/sa/b`, proven by an authority of its trust domain. */
  readonly principal?: string;
  /** The verified certificate. */
  readonly certificate?: KnownCertificate;
}

export interface ClientChecks {
  readonly known: KnownCertificates;
  readonly trust: MeshTrust;
}

const NOBODY: VerifiedClient = { mutual: false };

/** A text says why the client is refused. */
export function checkClient(
  tls: ListenerTls,
  certificate: X509Certificate | undefined,
  isVerified: boolean,
  { known, trust }: ClientChecks,
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
  const distrust = trust.judge(read, () => sentWith(certificate));
  const isMesh = tls.mode === 'ISTIO_MUTUAL';
  if (distrust !== undefined && (isMesh || distrust.isDenied)) return distrust.reason;
  const principal = distrust === undefined ? read.identity : claimed(read, trust);
  return {
    mutual: true,
    certificate: read,
    ...(principal === undefined ? {} : { principal }),
  };
}

/** Where nobody said who certifies the mesh's identities, the listener's own authorities do, for its domains alone. */
function claimed({ identity, fault }: KnownCertificate, trust: MeshTrust): string | undefined {
  if (trust.hasRoots || fault !== undefined) return undefined;
  return trust.domains.includes(trustDomainOf(identity ?? '')) ? identity : undefined;
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
