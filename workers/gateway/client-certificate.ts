/**
 * The client certificate that the network has seen (`request.cf.tlsClientAuth`). What it says of it counts only against
 * the client: whom the certificate shows, and whether it holds, is found out here, from its bytes and the mesh's roots.
 */
import type { Fields } from '../../src/lib/fields.ts';
import type { CertifiedIdentity } from '../../src/credential/x509/identity.ts';
import { verifyCertificate } from '../../src/credential/x509/identity.ts';
import { bytesOfBase64 } from '../../src/lib/pem.ts';
import type { Peer } from '../../src/model/identity.ts';
import type { TrustSettings } from '../../src/model/trust.ts';

export type CertifiedPeer = Pick<Peer, 'principal' | 'mutual' | 'isUnreadable'>;

const NOBODY: CertifiedPeer = {};
const UNREADABLE: CertifiedPeer = { isUnreadable: true };
const MAX_KNOWN = 500;
/** A byte sequence of structured fields (RFC 9440, 2.1). */
const BYTES = /^:([A-Za-z0-9+/]+={0,2}):$/;
const MAX_CHAIN = 4;

function readBytes(text: string): Uint8Array | undefined {
  const base64 = BYTES.exec(text.trim())?.[1];
  return base64 === undefined ? undefined : bytesOfBase64(base64);
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

interface Known {
  readonly found: CertifiedIdentity | undefined;
  readonly untilMs: number;
}

/** What doesn't hold now may hold in a while: a certificate that is not yet valid. */
const REFUSED_MS = 10_000;

/** Of an isolate. Verified once for each certificate, while the mesh trusts the same. */
export class ClientCertificates {
  #trust: TrustSettings | undefined;
  #known = new Map<string, Known>();

  /** Without a promise where nobody showed one, or who did is known. */
  peerOf(
    auth: unknown,
    trust: TrustSettings | undefined,
    nowMs: number,
  ): CertifiedPeer | Promise<CertifiedPeer> {
    if (typeof auth !== 'object' || auth === null) return NOBODY;
    const fields = auth as Fields;
    if (fields['certPresented'] !== '1' || trust === undefined) return NOBODY;
    // The network knows that it holds no more; that it holds is never taken from it.
    if (fields['certRevoked'] === '1') return NOBODY;
    if (fields['certRFC9440TooLarge'] === true) return UNREADABLE;
    const leaf = textOf(fields['certRFC9440']);
    const chain = textOf(fields['certChainRFC9440']);
    const isCut = fields['certChainRFC9440TooLarge'] === true;
    const known = this.#get(trust, leaf + chain, nowMs);
    if (known !== undefined) return peerFor(known, isCut);
    return this.#verify({ leaf, chain, isCut }, trust, nowMs);
  }

  #get(trust: TrustSettings, name: string, nowMs: number): Known | undefined {
    if (this.#trust !== trust) {
      this.#trust = trust;
      this.#known.clear();
    }
    const known = this.#known.get(name);
    return known !== undefined && nowMs < known.untilMs ? known : undefined;
  }

  async #verify(
    { leaf, chain, isCut }: { leaf: string; chain: string; isCut: boolean },
    trust: TrustSettings,
    nowMs: number,
  ): Promise<CertifiedPeer> {
    const own = readBytes(leaf);
    const between = chain === '' ? [] : chain.split(',').map((part) => readBytes(part));
    const readable = between.filter((der) => der !== undefined);
    const isReadable = readable.length === between.length && between.length <= MAX_CHAIN;
    if (own === undefined || !isReadable) return UNREADABLE;
    const verdict = await verifyCertificate({ leaf: own, between: readable }, trust, nowMs);
    if (verdict === 'malformed') return UNREADABLE;
    const known = { found: verdict, untilMs: verdict?.untilMs ?? nowMs + REFUSED_MS };
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    if (this.#trust === trust) this.#known.set(leaf + chain, known);
    return peerFor(known, isCut);
  }
}

/** The part of a chain that was left out might have led to a root. */
function peerFor({ found }: Known, isCut: boolean): CertifiedPeer {
  if (found === undefined) return isCut ? UNREADABLE : NOBODY;
  return { principal: found.identity, mutual: true };
}
