/** Matches and actions as people say them. */
import type {
  ApiNamedMatch,
  AuthorizationPolicySpec,
  ConnectionMatch,
  GrpcRouteMatch,
  HttpMatch,
  HttpRoute,
  HttpRouteMatch,
  Labels,
  RouteFilter,
  StringMatchSpec,
} from '../../model/api.ts';
import type { Cluster } from '../../model/snapshot.ts';

export const EVERYTHING = 'everything';

export const labelsText = (labels: Labels | undefined): string =>
  Object.entries(labels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(',');

const anyOf = (matches: readonly string[]): string =>
  matches.length === 0 || matches.includes('') ? EVERYTHING : matches.join(' or ');

const allOf = (parts: readonly (string | false | undefined)[]): string =>
  parts.filter((part) => part !== undefined && part !== false && part !== '').join(', ');

function stringText(match: StringMatchSpec): string {
  if (match.exact !== undefined) return `= ${match.exact}`;
  if (match.prefix !== undefined) return `prefix ${match.prefix}`;
  return match.regex === undefined ? 'present' : `regex ${match.regex}`;
}

const one = (what: string, match: StringMatchSpec | undefined): string =>
  match === undefined ? '' : `${what} ${stringText(match)}`;

const many = (what: string, matches: HttpMatch['headers']): string[] =>
  Object.entries(matches ?? {}).map(([name, match]) => `${what} ${name} ${stringText(match)}`);

const source = ({ sourceLabels, sourceNamespace = '', port = 0 }: ConnectionMatch): string =>
  allOf([
    port !== 0 && `port ${port}`,
    sourceLabels !== undefined && `source ${labelsText(sourceLabels)}`,
    sourceNamespace !== '' && `source namespace ${sourceNamespace}`,
  ]);

const gatewaysText = (gateways: readonly string[] | undefined): string =>
  gateways === undefined || gateways.length === 0 ? '' : `at ${gateways.join(', ')}`;

function httpMatchText(match: HttpMatch): string {
  const { uri, method, scheme, authority } = match;
  const path = uri !== undefined && Object.keys(uri).length > 0 ? one('path', uri) : '';
  return allOf([
    path === '' || match.ignoreUriCase !== true ? path : `${path} (any case)`,
    one('method', method),
    one('scheme', scheme),
    one('authority', authority),
    ...many('header', match.headers),
    ...many('not header', match.withoutHeaders),
    ...many('query', match.queryParams),
    source(match),
    gatewaysText(match.gateways),
  ]);
}

export const httpMatches = (matches: readonly HttpMatch[] = []): string =>
  anyOf(matches.map((match) => httpMatchText(match)));

export function connectionMatches(matches: readonly ConnectionMatch[] = []): string {
  return anyOf(
    matches.map((match) =>
      allOf([
        match.sniHosts !== undefined && `server name ${match.sniHosts.join(', ')}`,
        (match.destinationSubnets ?? []).length > 0 &&
          `address in ${match.destinationSubnets?.join(', ') ?? ''}`,
        source(match),
        gatewaysText(match.gateways),
      ]),
    ),
  );
}

const namedText = (what: string, list: readonly ApiNamedMatch[] = []): string[] =>
  list.map(({ type = 'Exact', name, value }) =>
    type === 'Exact' ? `${what} ${name} = ${value}` : `${what} ${name} regex ${value}`,
  );

const PATHS = { Exact: '=', PathPrefix: 'prefix', RegularExpression: 'regex' } as const;

function apiMatchText({ path, headers, queryParams, method }: HttpRouteMatch): string {
  const { type = 'PathPrefix', value = '/' } = path ?? {};
  const isEvery = type === 'PathPrefix' && value === '/';
  return allOf([
    !isEvery && `path ${PATHS[type]} ${value}`,
    method !== undefined && `method = ${method}`,
    ...namedText('header', headers),
    ...namedText('query', queryParams),
  ]);
}

export const apiMatches = (matches: readonly HttpRouteMatch[] = []): string =>
  anyOf(matches.map((match) => apiMatchText(match)));

export function grpcMatches(matches: readonly GrpcRouteMatch[] = []): string {
  return anyOf(
    matches.map(({ method, headers }) => {
      const called = [method?.service ?? '*', method?.method ?? '*'].join('/');
      const how = method?.type === 'RegularExpression' ? 'regex ' : '';
      return allOf([
        method !== undefined && `call ${how}${called}`,
        ...namedText('header', headers),
      ]);
    }),
  );
}

/** What it does besides, and instead of, forwarding. */
export function httpAction(route: HttpRoute): string {
  const { redirect, directResponse, rewrite, fault, timeout, retries, corsPolicy } = route;
  const [first] =
    redirect !== undefined
      ? [`redirect ${redirect.redirectCode ?? 301}`]
      : directResponse !== undefined
        ? [`respond ${directResponse.status}`]
        : ['forward'];
  return allOf([
    first,
    rewrite !== undefined && 'rewrite',
    fault?.delay !== undefined && 'delay',
    fault?.abort !== undefined && 'abort',
    timeout !== undefined && `timeout ${timeout}`,
    retries !== undefined && `${retries.attempts ?? 0} retries`,
    corsPolicy !== undefined && 'CORS',
  ]);
}

const FILTERS: Readonly<Record<RouteFilter['type'], string>> = {
  RequestHeaderModifier: 'request headers',
  ResponseHeaderModifier: 'response headers',
  RequestMirror: 'mirror',
  RequestRedirect: '',
  URLRewrite: 'rewrite',
  CORS: 'CORS',
  ExternalAuth: 'external authorization (not served)',
  ExtensionRef: 'extension (not served)',
};

export function apiAction(filters: readonly RouteFilter[] = [], timeout?: string): string {
  const redirect = filters.find(({ type }) => type === 'RequestRedirect')?.requestRedirect;
  return allOf([
    redirect === undefined ? 'forward' : `redirect ${redirect.statusCode ?? 302}`,
    ...filters.map(({ type }) => FILTERS[type]),
    timeout !== undefined && `timeout ${timeout}`,
  ]);
}

export function authorizationText({ action, provider, rules }: AuthorizationPolicySpec): string {
  const count = rules?.length ?? 0;
  const rulesText =
    count === 0 ? 'without rules: matches nothing' : `${count} rule${count === 1 ? '' : 's'}`;
  const by = provider?.name === undefined ? '' : ` by provider ${provider.name}`;
  return `${action ?? 'ALLOW'}${by}, ${rulesText}`;
}

/** `outlierDetection` as `outlier detection`. */
const spaced = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

export function clusterText({
  balancer,
  discovery,
  tls,
  connectTimeoutMs,
  carried,
  pool,
}: Cluster): string {
  const { loadBalancer, ...others } = carried ?? {};
  const names = [
    ...(pool === undefined ? [] : ['connectionPool']),
    ...Object.keys(others),
    ...Object.keys(loadBalancer ?? {}),
  ];
  const sni = tls?.sni === undefined ? '' : ` (${tls.sni})`;
  return allOf([
    discovery === 'original'
      ? 'to the address that the client asked for'
      : balancer.toLowerCase().replaceAll('_', ' '),
    tls !== undefined && `TLS ${tls.mode}${sni}`,
    `connect timeout ${connectTimeoutMs / 1000}s`,
    ...names.map((name) => spaced(name)),
  ]);
}
