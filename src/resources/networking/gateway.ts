import { z } from 'zod';
import { CIPHER_SUITES } from '../../lib/cipher-suites.ts';
import type { GatewayServer, GatewaySpec, Resource, ServerTls } from '../../model/api.ts';
import type { NotEnforced, ResourceKind } from '../../model/config.ts';
import { checkDryRun, checkPort, isDnsLabel, isFqdn } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { anyMap, flag, integer, labels, text, texts } from '../fields.ts';

const tls = z.strictObject({
  httpsRedirect: flag.optional(),
  mode: z
    .enum([
      'PASSTHROUGH',
      'SIMPLE',
      'MUTUAL',
      'AUTO_PASSTHROUGH',
      'ISTIO_MUTUAL',
      'OPTIONAL_MUTUAL',
    ])
    .optional(),
  serverCertificate: text.optional(),
  privateKey: text.optional(),
  caCertificates: text.optional(),
  caCrl: text.optional(),
  credentialName: text.optional(),
  credentialNames: texts.optional(),
  caCertCredentialName: text.optional(),
  tlsCertificates: z.array(anyMap).optional(),
  subjectAltNames: texts.optional(),
  verifyCertificateSpki: texts.optional(),
  verifyCertificateHash: texts.optional(),
  minProtocolVersion: z.enum(['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3']).optional(),
  maxProtocolVersion: z.enum(['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3']).optional(),
  cipherSuites: texts.optional(),
});

const spec = z.strictObject({
  selector: labels.optional(),
  servers: z
    .array(
      z.strictObject({
        port: z.strictObject({
          number: integer,
          protocol: text,
          name: text,
          targetPort: integer.optional(),
        }),
        bind: text.optional(),
        hosts: texts,
        tls: tls.optional(),
        defaultEndpoint: text.optional(),
        name: text.optional(),
      }),
    )
    .optional(),
});

const PROTOCOLS = new Set(['HTTP', 'HTTPS', 'GRPC', 'GRPC-WEB', 'HTTP2', 'MONGO', 'TCP', 'TLS']);
const TLS_PROTOCOLS = new Set(['HTTPS', 'TLS']);

function checkHost(host: string, path: string, faults: Faults): void {
  const slash = host.indexOf('/');
  const namespace = slash < 0 ? '*' : host.slice(0, slash);
  const name = host.slice(slash + 1);
  if (namespace !== '*' && namespace !== '.' && !isDnsLabel(namespace))
    faults.error(
      path,
      `namespace ${JSON.stringify(namespace)} of host ${host} is invalid, want *, . or a name`,
    );
  if (name === '*') return;
  if (!name.includes('.') && !name.includes('*'))
    faults.error(path, `short names (non FQDN) as ${JSON.stringify(name)} are not allowed`);
  else if (name.startsWith('*')) {
    if (!name.startsWith('*.'))
      faults.error(path, `partial wildcard ${name}: a wildcard stands for whole labels only`);
    else if (!isFqdn(name.slice(2))) faults.error(path, `domain name ${name} is invalid`);
  } else if (!isFqdn(name)) faults.error(path, `domain name ${JSON.stringify(name)} is invalid`);
}

const isGiven = (value: string | readonly string[] | undefined): boolean =>
  value !== undefined && value.length > 0;

function checkIstioMutual(settings: ServerTls, path: string, faults: Faults): void {
  const fields = [
    'serverCertificate',
    'privateKey',
    'caCertificates',
    'credentialName',
    'credentialNames',
  ] as const;
  for (const name of fields)
    if (isGiven(settings[name])) {
      const at = name === 'credentialName' || name === 'caCertificates' ? `${path}.${name}` : path;
      faults.error(at, `ISTIO_MUTUAL brings its own certificates, ${name} must be absent`);
    }
}

const VERSIONS = ['TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3'];
const SHA256_BASE64 = /^[A-Za-z0-9+/]{43}=$/;
const SHA256_HEX = /^(?:[0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$/;

/** What is left out, and what leaves nobody to be let in. */
function warnOfProtocol(settings: ServerTls, path: string, faults: Faults): void {
  const { cipherSuites = [], minProtocolVersion = '', maxProtocolVersion = '' } = settings;
  const unknown = cipherSuites.filter((name) => !CIPHER_SUITES.has(name));
  if (unknown.length > 0)
    faults.warn(`${path}.cipherSuites`, `ignoring invalid cipher suites: ${unknown.join(', ')}`);
  const twice = cipherSuites.filter((name, index) => cipherSuites.indexOf(name) !== index);
  if (twice.length > 0)
    faults.warn(`${path}.cipherSuites`, `ignoring duplicate cipher suites: ${twice.join(', ')}`);
  const max = VERSIONS.indexOf(maxProtocolVersion);
  if (max >= 0 && VERSIONS.indexOf(minProtocolVersion) > max)
    faults.warn(
      `${path}.maxProtocolVersion`,
      `${maxProtocolVersion} is below minProtocolVersion ${minProtocolVersion}: no client gets in`,
    );
  for (const [index, pin] of (settings.verifyCertificateSpki ?? []).entries())
    if (!SHA256_BASE64.test(pin))
      faults.warn(
        `${path}.verifyCertificateSpki[${index}]`,
        'want SHA-256 in base64: no certificate fits this one',
      );
  for (const [index, pin] of (settings.verifyCertificateHash ?? []).entries())
    if (!SHA256_HEX.test(pin))
      faults.warn(
        `${path}.verifyCertificateHash[${index}]`,
        'want SHA-256 in hex: no certificate fits this one',
      );
}

function checkTls(
  settings: ServerTls,
  server: GatewayServer,
  place: { path: string; faults: Faults },
): void {
  const { path, faults } = place;
  const mode = settings.mode ?? 'PASSTHROUGH'; // the API's zero value
  const protocol = server.port.protocol.toUpperCase();
  if (!TLS_PROTOCOLS.has(protocol)) {
    const others = Object.keys(settings).filter((name) => name !== 'httpsRedirect');
    if (protocol === 'HTTP' && others.length > 0 && settings.httpsRedirect === true)
      faults.error(path, 'a plain HTTP server takes httpsRedirect only as TLS setting');
    else if (protocol !== 'HTTP' || others.length > 0)
      faults.error(path, `server of protocol ${protocol} takes no TLS settings`);
    return;
  }
  warnOfProtocol(settings, path, faults);
  if (settings.httpsRedirect === true)
    faults.warn(`${path}.httpsRedirect`, 'httpsRedirect is for plain HTTP servers');
  if (isGiven(settings.credentialName) && isGiven(settings.credentialNames))
    faults.error(path, 'credentialName and credentialNames exclude each other');
  if ((settings.credentialNames?.length ?? 0) > 2)
    faults.error(`${path}.credentialNames`, 'credentialNames takes at most two (RSA and ECDSA)');
  if (mode === 'ISTIO_MUTUAL') {
    checkIstioMutual(settings, path, faults);
    return;
  }
  const byName = isGiven(settings.credentialName) || isGiven(settings.credentialNames);
  const terminates = mode === 'SIMPLE' || mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
  if (!terminates || byName || (settings.tlsCertificates?.length ?? 0) > 0) return;
  if (!isGiven(settings.serverCertificate))
    faults.error(path, `${mode} needs a server certificate`);
  if (!isGiven(settings.privateKey))
    faults.error(path, `${mode} needs a private key beside the certificate`);
  if (
    mode !== 'SIMPLE' &&
    !isGiven(settings.caCertificates) &&
    !isGiven(settings.caCertCredentialName)
  )
    faults.error(path, `${mode} needs a CA certificate`);
}

function checkServer(server: GatewayServer, path: string, faults: Faults): void {
  const { port, bind } = server;
  const protocol = port.protocol.toUpperCase();
  const isUnix = bind?.startsWith('unix://') === true;
  if (isUnix) {
    if (port.number !== 0)
      faults.error(`${path}.port.number`, 'a server bound to a unix socket has port 0');
  } else checkPort(port.number, `${path}.port.number`, faults);
  if (!PROTOCOLS.has(protocol))
    faults.error(`${path}.port.protocol`, `protocol ${port.protocol} is not supported`);
  if (port.name === '') faults.error(`${path}.port.name`, 'port needs a name');
  if (port.targetPort !== undefined)
    faults.error(`${path}.port.targetPort`, 'targetPort is not used by gateways');
  if (server.hosts.length === 0) faults.error(`${path}.hosts`, 'server needs at least one host');
  for (const [index, host] of server.hosts.entries())
    checkHost(host, `${path}.hosts[${index}]`, faults);
  if (server.tls !== undefined) checkTls(server.tls, server, { path: `${path}.tls`, faults });
  else if (TLS_PROTOCOLS.has(protocol))
    faults.error(`${path}.tls`, `server of protocol ${protocol} needs TLS settings`);
}

function validate(gateway: GatewaySpec, resource: Resource): Faults['list'] {
  const faults = new Faults();
  checkDryRun(resource.metadata.annotations, faults, false);
  if (resource.metadata.name.includes('.'))
    faults.error('metadata.name', 'the name of a gateway is a DNS label, without dots');
  const servers = gateway.servers ?? [];
  if (servers.length === 0) faults.error('spec.servers', 'a gateway needs at least one server');
  const names = new Set<string>();
  for (const [index, server] of servers.entries()) {
    checkServer(server, `spec.servers[${index}]`, faults);
    if (names.has(server.port.name))
      faults.error('spec.servers', `port name ${server.port.name} stands twice, want unique names`);
    names.add(server.port.name);
  }
  return faults.list;
}

const NOT_HTTP = new Set(['TCP', 'TLS', 'MONGO']);

function notEnforcedIn(server: GatewayServer, index: number): NotEnforced[] {
  const path = `spec.servers[${index}]`;
  const mode = server.tls?.mode;
  if (NOT_HTTP.has(server.port.protocol.toUpperCase()))
    return [
      {
        path: `${path}.port.protocol`,
        reason: 'a Worker carries HTTP alone',
        only: 'node',
      },
    ];
  if (mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH')
    return [
      {
        path: `${path}.tls.mode`,
        reason: 'a Worker never sees TLS that it does not end',
        only: 'node',
      },
    ];
  return [];
}

export const gateway: ResourceKind = defineKind<GatewaySpec>({
  group: 'networking.istio.io',
  kind: 'Gateway',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  plural: 'gateways',
  spec,
  validate,
  notEnforced: (gateway) =>
    (gateway.servers ?? []).flatMap((server, index) => notEnforcedIn(server, index)),
});
