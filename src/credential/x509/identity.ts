/** Whom a client certificate shows, by the roots of the trust domain that it names itself (SPIFFE, X509-SVID). */
import { own } from '../../lib/own.ts';
import { identityOf, parseSpiffeId, trustDomainOf } from '../../lib/spiffe-id.ts';
import type { TrustSettings } from '../../model/trust.ts';
import type { Certificate } from './certificate.ts';
import { readCertificate, readPem } from './certificate.ts';
import { isSignedBy } from './signature.ts';

export interface CertifiedIdentity {
  /** `trust.domain/ns/a/sa/b`. */
  readonly identity: string;
  /** When the first of the chain ends. */
  readonly untilMs: number;
}

export type CertificateFault =
  | 'malformed'
  | 'no_identity'
  | 'is_authority'
  | 'usage'
  | 'purpose'
  | 'expired'
  | 'not_yet_valid'
  | 'denied'
  | 'trust_domain'
  | 'chain';

/** 1.3.6.1.5.5.7.3.1 and .2. */
const SERVER_PURPOSE = '2b06010505070301';
const CLIENT_PURPOSE = '2b06010505070302';
/** Authorities between a leaf and its root. */
const MAX_BETWEEN = 4;

function leafFault(leaf: Certificate): CertificateFault | undefined {
  if (leaf.isAuthority) return 'is_authority';
  if (leaf.usage?.signs !== true || leaf.usage.certifies) return 'usage';
  const { purposes } = leaf;
  const isForBoth =
    purposes === undefined ||
    (purposes.includes(CLIENT_PURPOSE) && purposes.includes(SERVER_PURPOSE));
  return isForBoth ? undefined : 'purpose';
}

function timeFault(
  { notBeforeMs, notAfterMs }: Certificate,
  nowMs: number,
): 'expired' | 'not_yet_valid' | undefined {
  if (nowMs < notBeforeMs) return 'not_yet_valid';
  return nowMs >= notAfterMs ? 'expired' : undefined;
}

/** An authority of the domain, with `below` further ones under it. */
function mayCertify(authority: Certificate, trustDomain: string, below: number): boolean {
  const { isAuthority, usage, constrainsNames, pathLength, uris } = authority;
  // Constraints that nobody holds the leaf against would be none.
  if (!isAuthority || usage?.certifies !== true || constrainsNames) return false;
  if (pathLength !== undefined && below > pathLength) return false;
  return uris.every((uri) => {
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
    above.subject === from.issuer &&
    timeFault(above, search.nowMs) === undefined &&
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
function rootsOf(trust: TrustSettings, trustDomain: string): readonly Certificate[] | undefined {
  return own(trust.roots, trustDomain)?.flatMap((pem) => {
    try {
      return readPem(pem);
    } catch {
      return [];
    }
  });
}

export interface ShownChain {
  /** DER. */
  readonly leaf: Uint8Array<ArrayBuffer>;
  readonly between: readonly Uint8Array<ArrayBuffer>[];
}

export async function verifyCertificate(
  shown: ShownChain,
  trust: TrustSettings,
  nowMs: number,
): Promise<CertifiedIdentity | CertificateFault> {
  let leaf: Certificate;
  let between: readonly Certificate[];
  try {
    leaf = readCertificate(shown.leaf);
    between = shown.between.slice(0, MAX_BETWEEN).map((der) => readCertificate(der));
  } catch {
    return 'malformed';
  }
  const [uri = ''] = leaf.uris;
  const identity = leaf.uris.length === 1 ? identityOf(uri) : undefined;
  if (identity === undefined) return 'no_identity';
  const fault = leafFault(leaf) ?? timeFault(leaf, nowMs);
  if (fault !== undefined) return fault;
  const trustDomain = trustDomainOf(identity);
  const roots = rootsOf(trust, trustDomain);
  if (roots === undefined || roots.length === 0) return 'trust_domain';
  const { denied } = trust;
  if (denied.serials.includes(leaf.serial) || denied.identities.includes(identity)) return 'denied';
  const search = { between, roots, trustDomain, denied: denied.serials, nowMs };
  const untilMs = await wayUp(leaf, search);
  return untilMs === undefined ? 'chain' : { identity, untilMs };
}
