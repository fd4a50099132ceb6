/** The workload's own certificate, and the file in which it outlives the process. */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isRecord } from '../../src/delivery/pointer.ts';
import { checkLeaf, readPem } from './path.ts';

export interface WorkloadCertificate {
  /** `trust.domain/ns/a/sa/b` */
  readonly identity: string;
  readonly privateKey: KeyObject;
  /** PEM: the leaf, then the intermediates below the root. */
  readonly chain: string;
  /** PEM of the roots of the own trust domain, as they were when it was given. */
  readonly roots: readonly string[];
  readonly receivedMs: number;
  readonly notAfterMs: number;
}

/** PKCS#8, PEM. */
export function keyPem({ privateKey }: WorkloadCertificate): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' });
}

/** Whole or not at all: key and certificate belong together. Nobody but the owner reads it. */
export function saveCertificate(file: string, certificate: WorkloadCertificate): void {
  const { identity, chain, roots, receivedMs } = certificate;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}.tmp`;
  const saved = { identity, key: keyPem(certificate), chain, roots, receivedMs };
  writeFileSync(draft, `${JSON.stringify(saved)}\n`, { mode: 0o600, flag: 'w' });
  renameSync(draft, file);
}

/** Undefined = there is none that still holds. @throws Error that says what is wrong with it, without a word of it */
export function loadCertificate(file: string, nowMs: number): WorkloadCertificate | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as { readonly code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
  const saved: unknown = JSON.parse(text);
  if (!isRecord(saved)) throw new Error('it is not of this program');
  const { identity, key, chain, roots, receivedMs } = saved;
  if (typeof identity !== 'string' || typeof key !== 'string' || typeof chain !== 'string')
    throw new Error('it is not of this program');
  const believed = Array.isArray(roots) ? roots.map((pem) => String(pem)) : [];
  const privateKey = createPrivateKey(key);
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const authorities = believed.flatMap((pem) => readPem(pem));
  const leaf = checkLeaf(readPem(chain), authorities, { identity, publicKey }, nowMs);
  return {
    identity,
    privateKey,
    chain,
    roots: believed,
    receivedMs: Math.min(nowMs, Number(receivedMs) || nowMs),
    notAfterMs: leaf.validToDate.getTime(),
  };
}
