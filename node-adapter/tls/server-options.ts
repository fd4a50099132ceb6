/** A listener's TLS settings in the words of node:tls. */
import { X509Certificate, constants } from 'node:crypto';
import { DEFAULT_CIPHERS } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import { readCertificate } from '../../src/lib/x509/certificate.ts';
import type { SubjectNames } from '../../src/lib/x509/extensions.ts';
import type { ListenerTls } from '../../src/model/snapshot.ts';
import type { SecretMaterial, Secrets } from '../secrets.ts';
import { SecretFault, WORKLOAD_SECRET } from './contexts.ts';
import { hostFits } from './names.ts';
import { certificatesIn, withIssuers } from './pem.ts';

/** Without them in the list Node takes TLS 1.3 away. */
const TLS13_SUITES = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
];

interface Shown {
  readonly names: SubjectNames | undefined;
  /** `rsa`, `ec`, ... */
  readonly type: string;
}

const shown = new WeakMap<SecretMaterial, Shown>();

/** What a certificate of ours shows. */
function shownBy(material: SecretMaterial): Shown {
  const known = shown.get(material);
  if (known !== undefined) return known;
  let found: Shown = { names: undefined, type: '' };
  try {
    const certificate = new X509Certificate(certificatesIn(material.certificate ?? '')[0] ?? '');
    const type = certificate.publicKey.asymmetricKeyType ?? '';
    found = { names: readCertificate(certificate.raw)?.names, type };
  } catch {
    // What makes the context says so.
  }
  shown.set(material, found);
  return found;
}

/** Undefined = it can't be read. */
export const namesShown = (material: SecretMaterial): SubjectNames | undefined =>
  shownBy(material).names;

/** DNS names that a client may ask for over a connection with this certificate. */
export const dnsNamesOf = (material: SecretMaterial): readonly string[] =>
  shownBy(material).names?.dns ?? [];

/** Of several credentials those that show the name, exact names first, one for each type of key. */
export function chooseCredentials(
  names: readonly string[],
  sni: string,
  secrets: Secrets,
): readonly string[] {
  if (names.length < 2) return names;
  const all = names.flatMap((name) => {
    const material = secrets.get(name);
    return material === undefined ? [] : [{ name, ...shownBy(material) }];
  });
  const isExact = ({ names }: Shown): boolean => names?.dns.includes(sni) === true;
  const fits = ({ names }: Shown): boolean => names !== undefined && hostFits(names, sni);
  const fitting = [...all.filter((one) => isExact(one)), ...all.filter((one) => fits(one))];
  const types = new Map<string, string>();
  for (const { name, type } of fitting.length > 0 ? fitting : all)
    if (!types.has(type)) types.set(type, name);
  // None is there: whoever makes the context says which is missing.
  return types.size === 0 ? names.slice(0, 1) : [...types.values()];
}

type Find = (name: string) => SecretMaterial | undefined;

/** The certificates that are shown. @throws SecretFault */
export function ownMaterials(names: readonly string[], find: Find): readonly SecretMaterial[] {
  if (names.length === 0) throw new SecretFault('a listener ends TLS and names no certificate');
  return names.map((name) => {
    const material = find(name);
    if (material?.certificate === undefined || material.key === undefined)
      throw new SecretFault(`${name} has no certificate with its key`);
    return material;
  });
}

interface Authorities {
  readonly ca: string[];
  readonly crl?: string;
}

/** Given, lest Node read all those that it brings: nobody is checked by them. */
const NO_AUTHORITIES: Authorities = { ca: [] };

/** Whose client certificates are taken. */
function authoritiesFor(tls: ListenerTls, names: readonly string[], find: Find): Authorities {
  const from = (name: string): Authorities | undefined => {
    const material = find(name);
    if (material?.authorities === undefined || material.authorities === '') return undefined;
    const { authorities: ca, revoked: crl } = material;
    return { ca: [ca], ...(crl === undefined ? {} : { crl }) };
  };
  const given = tls.clientAuthorities ?? [];
  if (given.length > 0) return { ca: [...given] };
  const sources =
    tls.authorityName === undefined
      ? [...names, ...names.map((name) => `${name}-cacert`)]
      : [tls.authorityName];
  for (const source of sources) {
    const found = from(source);
    if (found !== undefined) return found;
  }
  throw new SecretFault(`${sources.join(', ')}: no authorities for client certificates`);
}

export const asksForCertificate = ({ mode }: ListenerTls): boolean =>
  mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL' || mode === 'ISTIO_MUTUAL';

/** Names of the credentials that a listener shows to a client which asks for this name. */
export function credentialsFor(tls: ListenerTls, sni: string, secrets: Secrets): readonly string[] {
  if (tls.mode === 'ISTIO_MUTUAL') return [WORKLOAD_SECRET];
  return chooseCredentials(tls.credentialNames, sni, secrets);
}

function versions({ mode, minVersion, maxVersion }: ListenerTls): TlsOptions {
  return {
    minVersion: minVersion ?? (mode === 'ISTIO_MUTUAL' ? 'TLSv1.3' : 'TLSv1.2'),
    ...(maxVersion === undefined ? {} : { maxVersion }),
  };
}

function ciphers({ minVersion, maxVersion, cipherSuites }: ListenerTls): TlsOptions {
  const isOld = minVersion === 'TLSv1' || minVersion === 'TLSv1.1';
  if (cipherSuites === undefined && !isOld) return {};
  const own = cipherSuites ?? [DEFAULT_CIPHERS];
  const has13 = maxVersion === undefined || maxVersion === 'TLSv1.3';
  const list = [...(has13 && cipherSuites !== undefined ? TLS13_SUITES : []), ...own];
  // OpenSSL has nothing below TLS 1.2 at its usual level.
  return { ciphers: [...list, ...(isOld ? ['@SECLEVEL=0'] : [])].join(':') };
}

/** @throws SecretFault */
export function serverOptions(
  tls: ListenerTls,
  names: readonly string[],
  alpn: readonly string[],
  find: Find,
): TlsOptions {
  const materials = ownMaterials(names, find);
  const asks = asksForCertificate(tls);
  const authorities = asks ? authoritiesFor(tls, names, find) : NO_AUTHORITIES;
  return {
    cert: materials.map(({ certificate = '' }) => withIssuers(certificate, authorities.ca)),
    key: materials.map(({ key = '' }) => key),
    ...authorities,
    ...versions(tls),
    ...ciphers(tls),
    requestCert: asks,
    rejectUnauthorized: asks && tls.mode !== 'OPTIONAL_MUTUAL',
    ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
    // A resumed session skips the check of the client's certificate, its expiry with it, and saves little.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    honorCipherOrder: true,
  };
}
