/** Who is believed on a connection, and who can read it. */
import type {
  ClientTls,
  DestinationRuleSpec,
  GatewaySpec,
  PeerAuthenticationSpec,
  Resource,
  ServerTls,
} from '../../model/api.ts';
import { describeCertificate } from '../describe/certificate.ts';
import type { Weakness } from './codes.ts';

const DAY_MS = 24 * 3600 * 1000;
const EXPIRES_SOON_MS = 14 * DAY_MS;
const MIN_RSA_BITS = 2048;

function ofMode(mode: string | undefined, path: string, what: string): Weakness[] {
  if (mode === 'DISABLE') return [{ code: 'LAT0702', message: `${what} speaks plaintext`, path }];
  return mode === 'PERMISSIVE'
    ? [{ code: 'LAT0701', message: `${what} takes plaintext beside mutual TLS`, path }]
    : [];
}

export function peerAuthentication({
  spec,
  metadata,
}: Resource<PeerAuthenticationSpec>): Weakness[] {
  const { mtls, portLevelMtls = {}, selector } = spec;
  const what =
    selector === undefined ? `namespace ${metadata.namespace}` : 'the workloads selected';
  return [
    ...ofMode(mtls?.mode, 'spec.mtls.mode', what),
    ...Object.entries(portLevelMtls).flatMap(([port, one]) =>
      ofMode(one.mode, `spec.portLevelMtls.${port}.mode`, `port ${port}`),
    ),
  ];
}

function clientTls(tls: ClientTls | undefined, path: string): Weakness[] {
  if (tls === undefined) return [];
  const { mode, insecureSkipVerify, subjectAltNames = [] } = tls;
  if (mode === 'DISABLE')
    return [{ code: 'LAT0703', message: 'clients speak plaintext to it', path: `${path}.mode` }];
  const isOwn = mode !== 'SIMPLE' && mode !== 'MUTUAL';
  return [
    ...(insecureSkipVerify === true
      ? [
          {
            code: 'LAT0704',
            message: 'the certificate of the server is not verified',
            path: `${path}.insecureSkipVerify`,
          } as const,
        ]
      : []),
    ...(isOwn || insecureSkipVerify === true || subjectAltNames.length > 0
      ? []
      : [
          {
            code: 'LAT0705',
            message: `mode ${mode} without subjectAltNames holds the server to no name`,
            path,
          } as const,
        ]),
  ];
}

export function destinationRule({ spec }: Resource<DestinationRuleSpec>): Weakness[] {
  const { trafficPolicy, subsets = [] } = spec;
  const policies = [
    { policy: trafficPolicy, path: 'spec.trafficPolicy' },
    ...subsets.map((subset, index) => ({
      policy: subset.trafficPolicy,
      path: `spec.subsets[${index}].trafficPolicy`,
    })),
  ];
  return policies.flatMap(({ policy, path }) => [
    ...clientTls(policy?.tls, `${path}.tls`),
    ...(policy?.portLevelSettings ?? []).flatMap((port, index) =>
      clientTls(port.tls, `${path}.portLevelSettings[${index}].tls`),
    ),
  ]);
}

const OLD_VERSIONS = new Set(['TLSV1_0', 'TLSV1_1']);
/** Without forward secrecy, authentication or a cipher that holds. */
const WEAK_SUITE = /NULL|EXPORT|RC4|3DES|DES-CBC|MD5|anon|^(?:TLS_RSA_|AES\d+-)/i;

function serverTls(tls: ServerTls, path: string): Weakness[] {
  const { minProtocolVersion = '', cipherSuites = [], mode } = tls;
  const weak = cipherSuites.filter((suite) => WEAK_SUITE.test(suite));
  const found: Weakness[] = [];
  if (OLD_VERSIONS.has(minProtocolVersion))
    found.push({
      code: 'LAT0706',
      message: `minProtocolVersion ${minProtocolVersion} lets old versions in`,
      path: `${path}.minProtocolVersion`,
    });
  if (weak.length > 0)
    found.push({
      code: 'LAT0706',
      message: `cipherSuites has ${weak.join(', ')}`,
      path: `${path}.cipherSuites`,
    });
  if (mode === 'OPTIONAL_MUTUAL')
    found.push({
      code: 'LAT0710',
      message: 'mode OPTIONAL_MUTUAL lets clients in without a certificate',
      path: `${path}.mode`,
    });
  return found;
}

export function gateway({ spec }: Resource<GatewaySpec>): Weakness[] {
  return (spec.servers ?? []).flatMap((server, index): Weakness[] => {
    const path = `spec.servers[${index}]`;
    const { port, tls, hosts } = server;
    const isPlain = ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB'].includes(port.protocol.toUpperCase());
    const hosted = hosts.map((host) => host.replace(/^[^/]*\//, ''));
    return [
      ...(tls === undefined ? [] : serverTls(tls, `${path}.tls`)),
      ...(isPlain && tls?.httpsRedirect !== true
        ? [
            {
              code: 'LAT0707',
              message: `port ${port.number} serves HTTP in plaintext`,
              path,
            } as const,
          ]
        : []),
      ...(hosted.includes('*')
        ? [{ code: 'LAT0722', message: 'the server takes host *', path: `${path}.hosts` } as const]
        : []),
    ];
  });
}

/** Of a Secret's own certificate; its key is never looked at. */
export function secret({ data = {} }: Resource, nowMs: number): Weakness[] {
  const certificate = describeCertificate(data['tls.crt'] ?? data['cert']);
  if (certificate === undefined) return [];
  const { notAfter, rsaBits, hasBrokenHash, names } = certificate;
  const whose = names[0] === undefined ? 'the certificate' : `the certificate of ${names[0]}`;
  const leftMs = Date.parse(notAfter) - nowMs;
  const found: Weakness[] = [];
  if (rsaBits !== undefined && rsaBits < MIN_RSA_BITS)
    found.push({ code: 'LAT0708', message: `${whose} has an RSA key of ${rsaBits} bits` });
  if (hasBrokenHash)
    found.push({ code: 'LAT0708', message: `${whose} is signed over MD5 or SHA-1` });
  if (leftMs <= 0)
    found.push({ code: 'LAT0709', level: 'error', message: `${whose} ended at ${notAfter}` });
  else if (leftMs < EXPIRES_SOON_MS)
    found.push({ code: 'LAT0709', message: `${whose} ends at ${notAfter}` });
  return found;
}
