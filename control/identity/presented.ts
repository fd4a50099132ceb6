/** A certificate chain that somebody shows, held against the roots of the own trust domain. */
import 'reflect-metadata';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509Certificate,
} from '@peculiar/x509';
import { CLOCK_SKEW_MS, MAX_CHAIN } from '../../src/delivery/joining.ts';
import { trustDomainOf } from '../../src/lib/spiffe-id.ts';
import { shownIdentity } from '../../src/lib/x509/svid.ts';
import { Refusal } from './refusal.ts';

export interface Presented {
  /** `trust.domain/ns/a/sa/b` */
  readonly identity: string;
  /** Lower-case hex without leading zeros. */
  readonly serial: string;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo (DER). */
  readonly publicKey: Uint8Array<ArrayBuffer>;
}

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const MAX_BASE64 = 8192;
/** basicConstraints, keyUsage, extKeyUsage, subjectAltName: what is judged here. */
const JUDGED = new Set(['2.5.29.19', '2.5.29.15', '2.5.29.37', '2.5.29.17']);

const untrusted = (reason: string): Refusal => new Refusal('untrusted', { reason });

function read(x5c: readonly unknown[]): readonly X509Certificate[] {
  if (x5c.length === 0 || x5c.length > MAX_CHAIN)
    throw untrusted(`a chain of ${x5c.length} certificates`);
  return x5c.map((text) => {
    if (typeof text !== 'string' || text.length > MAX_BASE64)
      throw untrusted('a chain with something that is no certificate');
    try {
      return new X509Certificate(text);
    } catch {
      throw untrusted('a chain with something that is no certificate');
    }
  });
}

const extensionOf = <T>(
  { extensions }: X509Certificate,
  kind: abstract new (...given: never[]) => T,
): T | undefined => extensions.find((one): one is typeof one & T => one instanceof kind);

function checkCritical({ extensions }: X509Certificate): void {
  const unknown = extensions.find(({ critical, type }) => critical && !JUDGED.has(type));
  if (unknown !== undefined) throw untrusted(`critical extension ${unknown.type}`);
  const types = new Set(extensions.map(({ type }) => type));
  if (types.size !== extensions.length) throw untrusted('an extension that stands twice');
}

/** @param below how many intermediates stand between it and the leaf */
function checkAuthority(certificate: X509Certificate, below: number, nowMs: number): void {
  checkCritical(certificate);
  const constraints = extensionOf(certificate, BasicConstraintsExtension);
  if (constraints?.ca !== true) throw untrusted('an issuer that is no authority');
  if (constraints.pathLength !== undefined && constraints.pathLength < below)
    throw untrusted('more intermediates than an issuer allows');
  const usages = extensionOf(certificate, KeyUsagesExtension)?.usages;
  if (usages !== undefined && (usages & KeyUsageFlags.keyCertSign) === 0)
    throw untrusted('an issuer that may not sign certificates');
  if (nowMs < certificate.notBefore.getTime() - CLOCK_SKEW_MS)
    throw untrusted('an issuer that holds not yet');
  if (nowMs >= certificate.notAfter.getTime()) throw untrusted('an issuer that has expired');
}

async function isIssuedBy(issued: X509Certificate, issuer: X509Certificate): Promise<boolean> {
  if (issued.issuer !== issuer.subject) return false;
  return issued.verify({ publicKey: issuer, signatureOnly: true }).catch(() => false);
}

async function checkPath(
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  nowMs: number,
): Promise<void> {
  const authorities = chain.slice(1);
  for (const [index, authority] of authorities.entries()) {
    checkAuthority(authority, index, nowMs);
    const issued = chain[index];
    if (issued === undefined || !(await isIssuedBy(issued, authority)))
      throw untrusted('a chain in which one did not issue the other');
  }
  const last = chain.at(-1);
  for (const root of roots)
    if (last !== undefined && (await isIssuedBy(last, root))) {
      checkAuthority(root, authorities.length, nowMs);
      return;
    }
  throw untrusted('a chain that leads to no root of this mesh');
}

function identityOf(leaf: X509Certificate, trustDomain: string): string {
  const names = extensionOf(leaf, SubjectAlternativeNameExtension)?.names.items ?? [];
  const uris = names.filter(({ type }) => type === 'url').map(({ value }) => value);
  const identity = shownIdentity({ uris });
  if (identity === undefined || trustDomainOf(identity) !== trustDomain)
    throw untrusted(`a certificate without exactly one identity of ${trustDomain}`);
  return identity;
}

function checkLeaf(leaf: X509Certificate): void {
  checkCritical(leaf);
  if (extensionOf(leaf, BasicConstraintsExtension)?.ca === true)
    throw untrusted('the certificate of an authority');
  const usages = extensionOf(leaf, KeyUsagesExtension)?.usages;
  if (usages !== undefined && (usages & KeyUsageFlags.digitalSignature) === 0)
    throw untrusted('a certificate that may not sign');
  const purposes = extensionOf(leaf, ExtendedKeyUsageExtension)?.usages.map(String);
  if (purposes !== undefined && !purposes.includes(CLIENT_AUTH))
    throw untrusted('a certificate that is not for clients');
}

export const serialText = (serialNumber: string): string =>
  serialNumber.toLowerCase().replace(/^0+(?=.)/, '');

/** Whether it has expired, or was denied, is for the caller to judge. @throws Refusal */
export async function readPresented(
  x5c: readonly unknown[],
  { trustDomain, roots }: { readonly trustDomain: string; readonly roots: readonly string[] },
  nowMs: number,
): Promise<Presented> {
  const chain = read(x5c);
  const [leaf] = chain;
  if (leaf === undefined) throw untrusted('no certificate');
  checkLeaf(leaf);
  await checkPath(
    chain,
    roots.map((pem) => new X509Certificate(pem)),
    nowMs,
  );
  if (nowMs < leaf.notBefore.getTime() - CLOCK_SKEW_MS) throw untrusted('it holds not yet');
  return {
    identity: identityOf(leaf, trustDomain),
    serial: serialText(leaf.serialNumber),
    notAfterMs: leaf.notAfter.getTime(),
    publicKey: new Uint8Array(leaf.publicKey.rawData),
  };
}

/** Which of the roots a chain below them leads to, as SHA-256 (hex) of its DER. Undefined = none. */
export async function rootHashOf(
  x5c: readonly string[],
  roots: readonly string[],
): Promise<string | undefined> {
  const [last] = read(x5c.slice(-1));
  for (const pem of roots) {
    const root = new X509Certificate(pem);
    if (last !== undefined && (await isIssuedBy(last, root))) return sha256(root.rawData);
  }
  return undefined;
}

async function sha256(bytes: ArrayBuffer): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
