/**
 * From a certificate up to an authority that is trusted for it. OpenSSL has found some authority of all that the proxy
 * trusts; which of them may certify what is decided here.
 */
import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import type { Certificate } from '../../src/lib/x509/certificate.ts';
import { readCertificate } from '../../src/lib/x509/certificate.ts';
import { permitsUriHost } from '../../src/lib/x509/constraints.ts';
import type { NameConstraints } from '../../src/lib/x509/extensions.ts';
import { isIssuedBy } from './issuer.ts';
import { certificatesIn } from './pem.ts';

/** A certificate in both readings. */
export interface Link {
  readonly x509: X509Certificate;
  readonly read: Certificate;
}

export interface Proof {
  /** Authorities between the certificate and the one that is trusted. */
  readonly path: readonly Link[];
  /** Until when all of them hold, in ms since the epoch. */
  readonly untilMs: number;
}

/** As deep as OpenSSL's is in practice; each step costs a signature check. */
const MAX_DEPTH = 6;
const MAX_SENT = 10;

function link(x509: X509Certificate): Link | undefined {
  const read = readCertificate(x509.raw);
  return read && { x509, read };
}

/** Authorities as a peer sent them, behind its own certificate. */
export function sentWith(leaf: X509Certificate): readonly Link[] {
  const found: Link[] = [];
  let next = leaf.issuerCertificate;
  while (next !== undefined && found.length < MAX_SENT) {
    const one = link(next);
    if (one !== undefined) found.push(one);
    // What signed itself is followed by itself.
    const above: X509Certificate | undefined = next.issuerCertificate;
    next = above === undefined || above.raw.equals(next.raw) ? undefined : above;
  }
  return found;
}

/** The same, as a client is told of its server. */
export function sentBy(leaf: PeerCertificate): readonly Link[] {
  const found: Link[] = [];
  let next = (leaf as Partial<DetailedPeerCertificate>).issuerCertificate;
  while (next !== undefined && found.length < MAX_SENT) {
    const one = parse(next.raw);
    if (one !== undefined) found.push(one);
    const { issuerCertificate: above } = next as Partial<DetailedPeerCertificate>;
    next = above === undefined || above.raw.equals(next.raw) ? undefined : above;
  }
  return found;
}

/** The authorities of one trust domain. */
export class Roots {
  readonly #anchors: readonly Link[];
  /** What stands beside them and signed nothing of itself: helps to find a way, and is trusted for nothing. */
  readonly #others: readonly Link[];

  constructor(pems: readonly string[]) {
    const all = pems.flatMap((pem) => certificatesIn(pem)).flatMap((pem) => parse(pem) ?? []);
    const isAnchor = ({ x509 }: Link): boolean => isIssuedBy(x509, x509);
    this.#anchors = all.filter((one) => isAnchor(one));
    this.#others = all.filter((one) => !isAnchor(one));
  }

  get isEmpty(): boolean {
    return this.#anchors.length === 0;
  }

  /** Undefined: no way leads from it to one of them. */
  prove(leaf: Link, sent: readonly Link[], nowMs: number): Proof | undefined {
    return this.#climb(leaf, [], { leaf, nowMs, candidates: [...sent, ...this.#others] });
  }

  #climb(child: Link, path: readonly Link[], way: Way): Proof | undefined {
    for (const anchor of this.#anchors)
      if (mayStandAbove(anchor, child, path.length, way)) {
        const ends = [way.leaf, ...path, anchor].map(({ x509 }) => Date.parse(x509.validTo));
        return { path, untilMs: Math.min(...ends) };
      }
    if (path.length >= MAX_DEPTH) return undefined;
    for (const one of way.candidates) {
      if (path.includes(one) || !mayStandAbove(one, child, path.length, way)) continue;
      const { isAuthority, usage } = one.read;
      if (!isAuthority || usage?.signsCertificates === false) continue;
      const proof = this.#climb(one, [...path, one], way);
      if (proof !== undefined) return proof;
    }
    return undefined;
  }
}

interface Way {
  readonly leaf: Link;
  readonly nowMs: number;
  readonly candidates: readonly Link[];
}

/** What makes the context says what is wrong with one that can't be read. */
function parse(bytes: string | Buffer): Link | undefined {
  try {
    return link(new X509Certificate(bytes));
  } catch {
    return undefined;
  }
}

/** @param below authorities between it and the leaf */
function mayStandAbove(one: Link, child: Link, below: number, { leaf, nowMs }: Way): boolean {
  const { x509, read } = one;
  if (Date.parse(x509.validFrom) > nowMs || Date.parse(x509.validTo) <= nowMs) return false;
  if (read.maxPath !== undefined && below > read.maxPath) return false;
  if (read.constraints !== undefined && !permits(read.constraints, leaf.read)) return false;
  return isIssuedBy(child.x509, x509);
}

/** Names that it can't be held against are names that it doesn't permit. */
function permits(constraints: NameConstraints, { names }: Certificate): boolean {
  if (constraints.hasOthers && names.dns.length + names.ips.length + names.emails.length > 0)
    return false;
  return names.uris.every((uri) => {
    const host = URL.parse(uri)?.host.toLowerCase() ?? '';
    return host !== '' && permitsUriHost(constraints, host);
  });
}
