/** What stands in fields, by their names: few values, so that references meet each other. */
import { certificatePem, keyPem } from '../fixtures/certificates.ts';
import type { Random } from './random.ts';

export const NAMES: readonly string[] = ['r0', 'r1', 'r2', 'front'];
export const NAMESPACES: readonly string[] = ['a', 'b', 'istio-system'];
const HOSTS = [
  'shop.test',
  'cart.test',
  '*.test',
  'r0',
  'r1',
  'r0.a.svc.cluster.local',
  'r1.b',
  '*',
];
const KINDS = ['Service', 'Gateway', 'HTTPRoute', 'VirtualService', 'ServiceEntry', 'Secret'];
const GROUPS = ['', 'core', 'gateway.networking.k8s.io', 'networking.istio.io'];
const PATHS = ['/', '/a', '/a/b', '/b', '/a/', '/A'];
const REGEXES = [
  '.*',
  '/a.*',
  '[ab]+',
  'a|b',
  '(?i)/A',
  '/a/(?P<rest>.*)',
  '^/b$',
  '\\d+',
  'x{2,3}',
];
const WORDS = ['a', 'b', 'shop', 'v1', '1', 'x-a'];
const HEADERS = ['x-a', 'X-A', 'x-user', 'cookie', 'content-type'];
const DURATIONS = ['1s', '0.5s', '250ms', '1m30s', '1h', '5s', '0s', '10m'];
const ADDRESSES = ['10.0.0.1', '10.0.0.2', '2001:db8::1', '10.0.0.0/8', 'shop.test', 'unix:///s'];
const CIDRS = ['10.0.0.1', '10.0.0.0/8', '2001:db8::/32', '192.0.2.0/24', '0.0.0.0/0'];
const TEMPLATES = ['1', 'v', '%REQ(x-q)%', '%%', '${request.id}', '${jwt.claims.sub|none}'];
const PORT_NAMES = ['http', 'tcp', 'web', 'grpc-a', 'https-b'];
const GATEWAYS = ['mesh', 'r0', 'a/r0', 'a/front', 'b/r1', 'front'];
const OWNED = ['*/*', './*', 'a/shop.test', '*/*.svc.cluster.local', 'shop.test', '*', './*.test'];
const LABELS = ['shop', 'v1', 'v2', 'front'];
const PROTOCOLS = ['HTTP', 'HTTPS', 'GRPC', 'HTTP2', 'TCP', 'TLS', 'UDP', 'MONGO'];
const CLAIMS = ['sub', 'iss', 'scope', 'a.b'];
const jwks = JSON.stringify({
  keys: [{ kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'k' }],
});

/** By the last name in a path, or by the last two where the last says too little. */
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  host: HOSTS,
  hosts: HOSTS,
  notHosts: HOSTS,
  'servers.hosts': OWNED,
  'egress.hosts': OWNED,
  sniHosts: HOSTS,
  hostname: HOSTS,
  hostnames: HOSTS,
  targetHost: HOSTS,
  sni: HOSTS,
  externalName: HOSTS,
  authority: HOSTS,
  subjectAltNames: HOSTS,
  gateways: GATEWAYS,
  name: NAMES,
  'ports.name': PORT_NAMES,
  'port.name': PORT_NAMES,
  'subsets.name': ['v1', 'v2'],
  subset: ['v1', 'v2'],
  'provider.name': ['authz', 'other'],
  'headers.name': HEADERS,
  'set.name': HEADERS,
  'add.name': HEADERS,
  'fromHeaders.name': HEADERS,
  'httpHeaders.name': HEADERS,
  sectionName: ['http', 'web', 'first', 'second', 'tcp'],
  'listeners.name': ['http', 'web', 'tcp'],
  'http.name': ['first', 'second'],
  'rules.name': ['first', 'second'],
  namespace: NAMESPACES,
  sourceNamespace: NAMESPACES,
  namespaces: [...NAMESPACES, 'a*', '*'],
  exportTo: ['*', '.', 'a', 'b', '~'],
  defaultServiceExportTo: ['*', '.', 'a'],
  defaultVirtualServiceExportTo: ['*', '.', 'a'],
  defaultDestinationRuleExportTo: ['*', '.', 'a'],
  rootNamespace: NAMESPACES,
  kind: KINDS,
  group: GROUPS,
  exact: [...PATHS, ...WORDS, 'https://a.test', 'GET'],
  prefix: [...PATHS, 'a', 'Bearer '],
  suffix: ['.png', '/b'],
  regex: REGEXES,
  match: REGEXES,
  rewrite: ['/\\1', '/z'],
  uri: PATHS,
  prefixRewrite: PATHS,
  paths: [...PATHS, '/a*', '*/b', '/{*}/a', '/a/{**}'],
  notPaths: [...PATHS, '/a*', '/{**}'],
  path: PATHS,
  'path.value': [...PATHS, '/a.*', '[ab]+'],
  replaceFullPath: PATHS,
  replacePrefixMatch: PATHS,
  scheme: ['http', 'https'],
  methods: ['GET', 'POST', 'G*'],
  notMethods: ['GET', 'POST'],
  allowMethods: ['GET', 'POST', '*'],
  allowOrigins: ['https://a.test', '*', 'http://b.test:8080'],
  allowOrigin: ['https://a.test', '*'],
  allowHeaders: [...HEADERS, '*'],
  exposeHeaders: HEADERS,
  remove: HEADERS,
  ports: ['80', '443', '8080'],
  notPorts: ['80', '443'],
  ipBlocks: CIDRS,
  notIpBlocks: CIDRS,
  remoteIpBlocks: CIDRS,
  notRemoteIpBlocks: CIDRS,
  cidrs: CIDRS,
  destinationSubnets: CIDRS,
  sourceSubnet: CIDRS,
  addresses: ADDRESSES,
  'addresses.value': ADDRESSES,
  'addresses.type': ['IPAddress', 'Hostname', 'NamedAddress', 'a.test/custom'],
  address: [...ADDRESSES, 'binding:SHOP'],
  bind: ['10.0.0.1', 'unix:///s', '0.0.0.0'],
  defaultEndpoint: ['127.0.0.1:8080', 'unix:///s', '0.0.0.0:80'],
  principals: ['cluster.local/ns/a/sa/x', 'cluster.local/ns/*', '*', '*/sa/x'],
  notPrincipals: ['cluster.local/ns/a/sa/x', '*'],
  requestPrincipals: ['https://i.test/u', 'https://i.test/*', '*'],
  notRequestPrincipals: ['https://i.test/u', '*'],
  serviceAccounts: ['x', 'a/x'],
  notServiceAccounts: ['x', 'b/x'],
  trustDomains: ['cluster.local', 'td2'],
  notTrustDomains: ['cluster.local', 'td*'],
  trustDomain: ['cluster.local', 'td2'],
  trustDomainAliases: ['td2', 'td3'],
  key: [
    'source.ip',
    'remote.ip',
    'source.namespace',
    'source.principal',
    'source.serviceAccount',
    'source.trustDomain',
    'request.headers[x-a]',
    'request.auth.claims[sub]',
    'request.auth.claims[a][b]',
    'request.auth.principal',
    'request.auth.audiences',
    'request.auth.presenter',
    'destination.ip',
    'destination.port',
    'connection.sni',
    'experimental.envoy.filters.network.x[y]',
    'tier',
  ],
  values: [...CIDRS, '80', 'a', 'a*', '*', 'https://i.test/u'],
  notValues: [...CIDRS, '80', 'a', '*b'],
  issuer: ['https://i.test', 'https://j.test', 'i'],
  jwksUri: ['https://i.test/k', 'https://j.test/k', 'http://k.test'],
  jwks_uri: ['https://i.test/k'],
  jwks: [jwks, '{"keys":[]}', '{"keys":[null,1,{}]}'],
  audiences: ['a', 'b'],
  fromParams: ['t', 'q'],
  fromCookies: ['t', 'q'],
  header: ['x-sub', 'x-iss'],
  claim: CLAIMS,
  spaceDelimitedClaims: CLAIMS,
  outputPayloadToHeader: ['x-payload'],
  retryOn: ['5xx', 'reset,connect-failure', '503', 'retriable-4xx,503'],
  grpcStatus: ['UNAVAILABLE', 'NOT_FOUND'],
  exponentialDelay: ['1s'],
  protocol: [...PROTOCOLS, 'CONNECT'],
  'ports.appProtocol': ['http', 'kubernetes.io/h2c', 'grpc', 'tcp'],
  targetPort: ['http', 'web'],
  credentialName: ['r0', 'r1', 'a/r0', 'configmap://a/r0', 'kubernetes://r0'],
  credentialNames: ['r0', 'r1'],
  caCertCredentialName: ['r0'],
  locality: ['eu/a/1', 'us/b/2'],
  'distribute.from': ['eu/*', 'us/b/2', '*'],
  'failover.from': ['eu', 'us'],
  'failover.to': ['us', 'asia'],
  failoverPriority: ['topology.istio.io/network', 'version', 'version=v1'],
  network: ['n1', 'n2'],
  url: ['oci://a.test/b', 'https://a.test/b', 'file:///b'],
  sha256: ['0'.repeat(64)],
  inlineCode: ['x = 1'],
  valueFrom: ['INLINE', 'HOST'],
  expression: ['response.code >= 400', "request.headers['a'] == 'b'", 'true'],
  gatewayClassName: ['istio', 'lateen', 'r0'],
  controllerName: ['lateen.io/gateway-controller', 'a.test/b'],
  wellKnownCACertificates: ['System', 'Unknown'],
  countries: ['FI', 'DE', 'T1'],
  contentTypes: ['application/json', 'image/*'],
  'data.*': ['plain', certificatePem, 'eA==', btoa(certificatePem), btoa(keyPem)],
  'stringData.*': ['plain', certificatePem, keyPem],
  'binaryData.*': ['eA=='],
  'set.*': TEMPLATES,
  'add.*': TEMPLATES,
  'labels.*': [...LABELS, 'istio'],
  'matchLabels.*': LABELS,
  'sourceLabels.*': LABELS,
  'selector.*': LABELS,
  service: ['shop.test', 'pay.Service', 'a/shop.test', ''],
  method: ['GET', 'Get'],
  bytes: ['eA==', 'x'],
  mode: ['CLIENT', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'],
  secretName: ['r0', 'front'],
  'keys.name': ['partner', 'ci'],
  hashes: [`sha256:${'0'.repeat(64)}`, `sha256:${'1'.repeat(64)} expires=2027-01-31T00:00:00Z`],
  'users.name': ['ann', 'bob'],
  hash: [`$pbkdf2-sha256$i=100000$${'A'.repeat(22)}$${'A'.repeat(43)}`],
  additionalOrigins: ['https://a.test', 'https://*.shop.test', 'null'],
  except: ['/a', '/b/*'],
  'oidc.issuer': ['https://i.test', 'https://i.test/realm'],
  'oidc.jwksUri': ['https://i.test/k'],
  clientId: ['shop'],
  authorizationEndpoint: ['https://i.test/authorize'],
  endSessionEndpoint: ['https://i.test/logout?a=b'],
  'tokenEndpoint.host': ['i.test', 'r0.a.svc.cluster.local'],
  redirectUris: ['https://shop.test/oauth2/callback', 'https://cart.test/back'],
  scopes: ['openid', 'email'],
  'logout.path': ['/oauth2/logout', '/bye'],
  'logout.redirect': ['/', '/bye'],
  cookieName: ['__Host-shop'],
  maxAge: ['1h', '24h', '1s'],
  idleTimeout: ['10m', '0s', '1s'],
  'claimHeaders.header': ['x-sub', 'x-email'],
  strictTransportSecurity: ['max-age=31536000; includeSubDomains; preload', 'max-age=60'],
  contentTypeOptions: ['nosniff'],
  referrerPolicy: ['no-referrer', 'same-origin, strict-origin'],
  frameOptions: ['DENY', 'SAMEORIGIN'],
  crossOriginOpenerPolicy: ['same-origin'],
  crossOriginEmbedderPolicy: ['require-corp'],
  crossOriginResourcePolicy: ['same-site'],
  clusterIP: ['10.1.0.1', 'None'],
};

const KEYS: Readonly<Record<string, readonly string[]>> = {
  labels: ['app', 'version', 'security.istio.io/tlsMode'],
  matchLabels: ['app', 'version'],
  sourceLabels: ['app', 'version'],
  selector: ['app', 'version'],
  headers: ['x-a', 'X-A', ':method', ':authority', '@request.auth.claims.sub', 'cookie'],
  withoutHeaders: ['x-a', 'x-b', '@request.auth.claims.scope'],
  queryParams: ['q', 'Q'],
  set: ['x-a', 'x-b', 'Host'],
  add: ['x-a', 'x-b', 'set-cookie'],
  ports: PORT_NAMES,
  portLevelMtls: ['80', '81', '8080'],
  to: ['eu/a/1', 'us/*', 'us/b/2'],
  data: ['mesh', 'meshNetworks', 'ca.crt', 'tls.crt', 'tls.key', 'key'],
  stringData: ['tls.crt', 'tls.key', 'ca.crt'],
  options: ['a.test/opt', 'b'],
};

/** Names that a map made of a plain object already has. */
const INHERITED = ['constructor', 'toString', 'hasOwnProperty', 'valueOf'];
const ODD = ['', ' ', '*', '%', '${x', 'é', 'İ', '\u0000', '\n', '-', '.', '/', '~', 'null', '{}'];
const LONG = ['a'.repeat(64), 'a'.repeat(300), `/${'ab/'.repeat(700)}`];
const DURATION_NAME = /(?:timeout|interval|delay|time|backoff|duration|ttl|maxage|secs)$/i;
const PORT_NAME = /^(?:port|number|targetPort|nodePort|healthCheckNodePort)$/;
const PORTS = [80, 80, 80, 81, 443, 8080];

/** Without the indices of lists: what their entries are is said by the list. */
function wordsFor(names: readonly string[], tables: typeof TEXTS): readonly string[] | undefined {
  const last = names.at(-1) ?? '';
  const both = `${names.at(-2) ?? ''}.${last}`;
  if (Object.hasOwn(tables, both)) return tables[both];
  return Object.hasOwn(tables, last) ? tables[last] : undefined;
}

export function textFor(names: readonly string[], random: Random): string {
  if (random.chance(0.01)) return random.pick([...ODD, ...LONG]);
  if (random.chance(0.015)) return random.pick(INHERITED);
  const words = wordsFor(names, TEXTS);
  if (words !== undefined && random.chance(0.95)) return random.pick(words);
  if (words === undefined && DURATION_NAME.test(names.at(-1) ?? '')) return random.pick(DURATIONS);
  return random.pick([...WORDS, ...NAMES, ...HOSTS, ...PATHS, ...DURATIONS, ...ADDRESSES]);
}

export function keyFor(names: readonly string[], random: Random): string {
  if (random.chance(0.01)) return random.pick(ODD);
  if (random.chance(0.02)) return random.pick(INHERITED);
  return random.pick(wordsFor(names, KEYS) ?? ['a', 'b', 'x-a', 'name', 'mode']);
}

const EXTREMES = [-1, 0, 65_536, 2 ** 31, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];

export function integerFor(names: readonly string[], random: Random): number {
  const last = names.at(-1) ?? '';
  if (random.chance(0.03)) return random.pick(EXTREMES);
  if (PORT_NAME.test(last)) return random.pick(PORTS);
  if (/status$/i.test(last)) return random.pick([200, 301, 404, 503]);
  if (/code/i.test(last)) return random.pick([301, 302, 307, 500, 503]);
  if (/tableSize/.test(last)) return random.pick([2, 65_537, 101]);
  if (names.at(-2) === 'to') return random.pick([100, 100, 100, 50]);
  return random.pick([0, 1, 1, 2, 3, 50, 100]);
}

export function numberFor(_names: readonly string[], random: Random): number {
  return random.chance(0.1)
    ? random.pick([-1, 1e-9, 1e300, 101])
    : random.pick([0, 0.5, 5, 50, 99.99, 100]);
}
