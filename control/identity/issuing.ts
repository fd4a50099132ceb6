/** Issues leaves and writes each down, in one transaction with what the caller pays for it. */
import { identityFault, trustDomainOf } from '../../src/lib/spiffe-id.ts';
import type { Store, StoreChange } from '../../src/model/store.ts';
import { Problem } from '../problem.ts';
import type { IssueRequest, IssuedCertificate } from './authority.ts';
import { refuse } from './chain.ts';
import type { Counters } from './counters.ts';
import type { Signer } from './leaf.ts';
import { signLeaf } from './leaf.ts';
import type { IssuedRecord } from './records.ts';
import { ISSUED_PREFIX, issuedKey } from './records.ts';
import type { Signers } from './signers.ts';
import type { View } from './view.ts';
import { hexOf, newSerial, wholeSecondMs } from './x509.ts';

const HOUR_MS = 3_600_000;
export const DEFAULT_TTL_MS: number = 24 * HOUR_MS;
export const MAX_TTL_MS: number = 90 * 24 * HOUR_MS;
const MIN_TTL_MS = 1000;
/** For clocks that are behind. */
const BACKDATED_MS = 60_000;
/** A certificate is in the log for so long after its end. */
export const KEEP_ENDED_MS: number = 7 * 24 * HOUR_MS;
/** More go with each that comes, so that the log shrinks to what it should hold. */
const PRUNED_AT_ONCE = 3;
/** The info of a key on P-256 has 91 bytes, with a compressed point 59. */
const MAX_KEY_BYTES = 256;
const MAX_ACTOR = 256;

export interface IssuingOptions {
  readonly store: Store;
  readonly signers: Signers;
  readonly counters: Counters;
  nowMs(): number;
}

/** @throws Problem 422 when it isn't of the mesh, 403 when it is denied */
export function requireIdentity(identity: string, trustDomain: string, view: View): void {
  const fault = identityFault(identity);
  if (fault !== undefined) throw refuse(`identity ${JSON.stringify(identity)}: ${fault}`);
  const domain = trustDomainOf(identity);
  if (domain !== trustDomain)
    throw refuse(`identity ${identity}: it is of trust domain ${domain}, want ${trustDomain}`);
  if (view.identities.has(identity))
    throw new Problem(403, 'forbidden', `identity ${identity} is denied`);
}

/** @throws Problem 422 */
async function readKey(publicKey: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  try {
    if (publicKey.length > MAX_KEY_BYTES) throw new Error('too long');
    return await crypto.subtle.importKey(
      'spki',
      publicKey,
      { name: 'ECDSA', namedCurve: 'P-256' },
      true,
      ['verify'],
    );
  } catch {
    throw refuse('public key: want a SubjectPublicKeyInfo (DER) of a key on P-256');
  }
}

/** @throws Problem 422 when it isn't within bounds, 503 when the signer's own time is over */
export function endOf(nowMs: number, ttlMs: number, signer: Pick<Signer, 'notAfterMs'>): number {
  if (!Number.isFinite(ttlMs) || ttlMs < MIN_TTL_MS || ttlMs > MAX_TTL_MS)
    throw refuse(`lifetime of ${ttlMs} ms: want ${MIN_TTL_MS} ms to ${MAX_TTL_MS} ms (90 days)`);
  const end = wholeSecondMs(Math.min(nowMs + ttlMs, signer.notAfterMs));
  if (end <= nowMs)
    throw new Problem(
      503,
      'no signer',
      `the authority's own certificate ended at ${new Date(signer.notAfterMs).toISOString()}: \`lateen ca renew\``,
    );
  return end;
}

/** Deletes of what has been over for long. */
async function pruned(store: Store, nowMs: number): Promise<StoreChange[]> {
  const { records } = await store.list(ISSUED_PREFIX, { limit: PRUNED_AT_ONCE });
  const until = issuedKey({ notAfterMs: nowMs - KEEP_ENDED_MS, serial: '' });
  return records.filter(({ key }) => key < until).map(({ key }) => ({ op: 'delete', key }));
}

export async function issueLeaf(
  request: IssueRequest,
  options: IssuingOptions,
  from: { readonly view: View; readonly alongside: readonly StoreChange[] },
): Promise<IssuedCertificate> {
  const { store, signers, counters } = options;
  const nowMs = options.nowMs();
  const signer = await signers.current(from.view);
  const publicKey = await readKey(request.publicKey);
  const notAfterMs = endOf(nowMs, request.ttlMs ?? DEFAULT_TTL_MS, signer);
  const notBeforeMs = wholeSecondMs(Math.max(nowMs - BACKDATED_MS, signer.notBeforeMs));
  const serial = newSerial();
  const { identity, publicKey: publicKeyInfo } = request;
  const [leaf, keyHash] = await Promise.all([
    signLeaf(signer, { identity, publicKey, publicKeyInfo, serial, notBeforeMs, notAfterMs }),
    crypto.subtle.digest('SHA-256', publicKeyInfo),
  ]).catch((error: unknown) => {
    counters.signErrors++;
    throw error;
  });
  const record: IssuedRecord = {
    serial,
    identity,
    notBeforeMs,
    notAfterMs,
    actor: request.actor.slice(0, MAX_ACTOR),
    provenBy: request.provenBy,
    keyHash: hexOf(new Uint8Array(keyHash)),
    generation: signer.generation,
  };
  const result = await store.commit(
    [
      { op: 'put', key: issuedKey(record), value: JSON.stringify(record), ifRevision: 0 },
      ...from.alongside,
      ...(await pruned(store, nowMs)),
    ],
    { actor: record.actor, message: `certificate ${serial} for ${identity}`, atMs: nowMs },
  );
  if (!result.ok)
    throw new Problem(
      409,
      'conflict',
      'somebody else used or changed meanwhile what this certificate was asked for with; none was issued',
    );
  counters.issued++;
  return { serial, notBeforeMs, notAfterMs, chain: leaf + signer.chain };
}
