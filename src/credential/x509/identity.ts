/** Whom a client certificate shows, by the roots of the trust domain that it names itself (SPIFFE, X509-SVID). */
import { own } from '../../lib/own.ts';
import { bytesOfBase64, pemBlocks } from '../../lib/pem.ts';
import { parseSpiffeId, trustDomainOf } from '../../lib/spiffe-id.ts';
import type { Certificate } from '../../lib/x509/certificate.ts';
import { readCertificate } from '../../lib/x509/certificate.ts';
import { hexOf } from '../../lib/x509/der.ts';
import { shownIdentity, svidFault } from '../../lib/x509/svid.ts';
import type { TrustSettings } from '../../model/trust.ts';
import { isSignedBy } from './signature.ts';

export interface CertifiedIdentity {
  /** `trust.domain/ns/a/sa/b`. */
  readonly identity: string;
  /** When the first of the chain ends. */
  readonly untilMs: number;
}

/** Of authorities between a leaf and its root. */
const MAX_BETWEEN = 4;
const MAX_BYTES = 16_384;

/** Undefined = it can't be judged: by what it insists on, or at all. */
function readShown(der: Uint8Array): Certificate | undefined {
  const read = der.length > MAX_BYTES ? undefined : readCertificate(der);
  return read?.version === 3 && !read.hasUnknownCritical ? read : undefined;
}

const isCurrent = ({ notBeforeMs, notAfterMs }: Certificate, nowMs: number): boolean =>
  nowMs >= notBeforeMs && nowMs < notAfterMs;

/** An authority of the domain, with `below` further ones under it. */
function mayCertify(authority: Certificate, trustDomain: string, below: number): boolean {
  const { isAuthority, usage, constraints, maxPath, names } = authority;
  // Constraints that nobody holds the leaf against would be none.
  if (!isAuthority || usage?.signsCertificates !== true || constraints !== undefined) return false;
  if (maxPath !== undefined && below > maxPath) return false;
  return names.uris.every((uri) => {
    const id = parseSpiffeId(uri);
    return id?.trustDomain === trustDomain && id.path === '';
  });
}

interface Search {
  readonly between: readonly Certificate[];
  readonly roots: readonly Certificate[];
  readonly trustDomain: string;
  readonly denied: readonly string[];
  readonly nowMs: number;
}

/** When the first of the way to a root ends; undefined = there is no way. */
async function wayUp(
  from: Certificate,
  search: Search,
  below: readonly Certificate[] = [],
): Promise<number | undefined> {
  const fits = async (above: Certificate): Promise<boolean> =>
    hexOf(above.subject.whole) === hexOf(from.issuer.whole) &&
    isCurrent(above, search.nowMs) &&
    !search.denied.includes(above.serial) &&
    mayCertify(above, search.trustDomain, below.length) &&
    isSignedBy(from, above);
  for (const root of search.roots)
    if (await fits(root)) return Math.min(from.notAfterMs, root.notAfterMs);
  if (below.length >= MAX_BETWEEN) return undefined;
  for (const above of search.between) {
    if (below.includes(above) || !(await fits(above))) continue;
    const untilMs = await wayUp(above, search, [...below, above]);
    if (untilMs !== undefined) return Math.min(from.notAfterMs, untilMs);
  }
  return undefined;
}

/** A root that can't be read is none; the others of its domain still count. */
function rootsOf(trust: TrustSettings, trustDomain: string): readonly Certificate[] {
  const blocks = (own(trust.roots, trustDomain) ?? []).flatMap((pem) =>
    pemBlocks(pem, /^CERTIFICATE$/),
  );
  return blocks.flatMap((block) => {
    const der = bytesOfBase64(block);
    return (der === undefined ? undefined : readShown(der)) ?? [];
  });
}

export interface ShownChain {
  /** DER. */
  readonly leaf: Uint8Array;
  readonly between: readonly Uint8Array[];
}

/** Undefined = it shows nobody whom the mesh trusts. */
export async function verifyCertificate(
  shown: ShownChain,
  trust: TrustSettings,
  nowMs: number,
): Promise<CertifiedIdentity | 'malformed' | undefined> {
  const leaf = readShown(shown.leaf);
  const sent = shown.between.slice(0, MAX_BETWEEN).map((der) => readShown(der));
  const between = sent.filter((one) => one !== undefined);
  if (leaf === undefined || between.length < sent.length) return 'malformed';
  const identity = shownIdentity(leaf.names);
  if (identity === undefined || svidFault(leaf) !== undefined || !isCurrent(leaf, nowMs))
    return undefined;
  const { denied } = trust;
  if (denied.serials.includes(leaf.serial) || denied.identities.includes(identity))
    return undefined;
  const trustDomain = trustDomainOf(identity);
  const roots = rootsOf(trust, trustDomain);
  const search = { between, roots, trustDomain, denied: denied.serials, nowMs };
  const untilMs = await wayUp(leaf, search);
  return untilMs === undefined ? undefined : { identity, untilMs };
}
