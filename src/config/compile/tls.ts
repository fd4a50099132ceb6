/** TLS of servers and of DestinationRules: names of credentials, and what is asked of the peer. */
import { fileCredential } from '../../lib/file-credential.ts';
import { CIPHER_SUITES } from '../../lib/cipher-suites.ts';
import type { ClientTls, ServerTls } from '../../model/api.ts';
import type { Cluster, ListenerTls, TlsVersion } from '../../model/snapshot.ts';

/** A Secret is looked for where the proxy runs, unless its name says where. */
export function secretName(name: string, namespace: string): string {
  const plain = name.replace(/^kubernetes(?:-gateway)?:\/\//, '');
  return plain.includes('/') ? plain : `${namespace}/${plain}`;
}

const given = (text: string | undefined): string | undefined => (text === '' ? undefined : text);
const some = (texts: readonly string[] | undefined): readonly string[] | undefined =>
  texts?.length === 0 ? undefined : texts;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Certificates that stand as paths; the first carries the authorities. */
function fileCredentials(tls: ServerTls): readonly string[] {
  const files = {
    certificate: tls.serverCertificate ?? '',
    key: tls.privateKey ?? '',
    authorities: tls.caCertificates ?? '',
    revoked: tls.caCrl ?? '',
  };
  const listed = (tls.tlsCertificates ?? []).map((one) =>
    fileCredential({
      certificate: textOf(one['serverCertificate']),
      key: textOf(one['privateKey']),
      authorities: textOf(one['caCertificates']) || files.authorities,
      revoked: files.revoked,
    }),
  );
  const all = listed.length > 0 ? listed : [fileCredential(files)];
  return all.filter((name) => name !== undefined);
}

function credentialsOf(tls: ServerTls, namespace: string): readonly string[] {
  const single = given(tls.credentialName);
  const names = some(tls.credentialNames) ?? (single === undefined ? [] : [single]);
  if (names.length > 0) return names.map((name) => secretName(name, namespace));
  return fileCredentials(tls);
}

const VERSIONS: Readonly<Record<string, TlsVersion>> = {
  TLSV1_0: 'TLSv1',
  TLSV1_1: 'TLSv1.1',
  TLSV1_2: 'TLSv1.2',
  TLSV1_3: 'TLSv1.3',
};

/** Those that are known, each once. */
function cipherSuitesOf({ cipherSuites = [] }: ServerTls): readonly string[] {
  return [...new Set(cipherSuites)].filter((name) => CIPHER_SUITES.has(name));
}

/** Of a server that ends TLS. @param namespace of the proxy */
export function serverTls(
  mode: ListenerTls['mode'],
  tls: ServerTls | undefined,
  namespace: string,
): ListenerTls {
  if (tls === undefined) return { mode, credentialNames: [] };
  const min = VERSIONS[tls.minProtocolVersion ?? ''];
  const max = VERSIONS[tls.maxProtocolVersion ?? ''];
  const suites = cipherSuitesOf(tls);
  const authority = given(tls.caCertCredentialName);
  const names = some(tls.subjectAltNames);
  const spki = some(tls.verifyCertificateSpki);
  const hashes = some(tls.verifyCertificateHash);
  return {
    mode,
    credentialNames: credentialsOf(tls, namespace),
    ...(authority === undefined ? {} : { authorityName: secretName(authority, namespace) }),
    ...(min === undefined ? {} : { minVersion: min }),
    ...(max === undefined ? {} : { maxVersion: max }),
    ...(suites.length === 0 ? {} : { cipherSuites: suites }),
    ...(names === undefined ? {} : { subjectAltNames: names }),
    ...(spki === undefined ? {} : { verifyCertificateSpki: spki }),
    ...(hashes === undefined ? {} : { verifyCertificateHash: hashes }),
  };
}

interface TlsSurroundings {
  /** Of the proxy; asked where it counts. */
  namespace(): string;
  /** Of the ServiceEntry, for rules that have none. */
  readonly subjectAltNames: readonly string[] | undefined;
}

/** Of a DestinationRule; undefined = plain. */
export function clientTls(tls: ClientTls | undefined, around: TlsSurroundings): Cluster['tls'] {
  if (tls?.mode === undefined || tls.mode === 'DISABLE') return undefined;
  const name = given(tls.credentialName);
  const credential =
    name === undefined
      ? fileCredential({
          certificate: tls.clientCertificate ?? '',
          key: tls.privateKey ?? '',
          authorities: tls.caCertificates ?? '',
          revoked: tls.caCrl ?? '',
        })
      : secretName(name, around.namespace());
  const names = some(tls.subjectAltNames) ?? some(around.subjectAltNames);
  return {
    mode: tls.mode,
    ...(tls.sni === undefined ? {} : { sni: tls.sni }),
    ...(names === undefined ? {} : { subjectAltNames: names }),
    ...(credential === undefined ? {} : { credentialName: credential }),
    ...(tls.insecureSkipVerify === true ? { insecureSkipVerify: true } : {}),
  };
}
