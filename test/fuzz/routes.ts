/** Random tables of listeners, hosts and routes, and requests that nearly fit them. */
import { createFakeHost } from '../../src/host/fake-host.ts';
import { RequestHeaderList } from '../../src/lib/header-list.ts';
import { compileRegex } from '../../src/lib/regex/compile.ts';
import type { Listener, Route, RouteMatch, StringMatch } from '../../src/model/snapshot.ts';
import { accept, route as routeOf } from '../../src/proxy/decide.ts';
import type { EngineExchange } from '../../src/proxy/exchange.ts';
import { createExchange } from '../../src/proxy/exchange.ts';
import { createLinker } from '../../src/proxy/index.ts';
import type { LinkedSnapshot } from '../../src/proxy/index.ts';
import { replies } from '../../src/proxy/rescue.ts';
import { listener, noKeys, overlay, route, snapshot } from '../fixtures/snapshots.ts';
import type { Json } from './json.ts';
import type { Counts, Property } from './property.ts';
import { yamlOf } from './property.ts';
import type { Random } from './random.ts';
import type {
  PlainHeader,
  PlainHost,
  PlainListener,
  PlainMatch,
  PlainRequest,
  PlainText,
} from './reference.ts';
import { decideSlowly } from './reference.ts';

const DOMAINS = [
  '*',
  '*.test',
  '*.a.test',
  '*-x.test',
  'a.test',
  'b.a.test',
  'c-x.test',
  'test',
  'c',
];
const NAMES = [
  'a.test',
  'b.a.test',
  'x.b.a.test',
  'c-x.test',
  'test',
  'x.test',
  '-x.test',
  'c',
  'd',
];
const PORTS = [80, 80, 80, 81, 443, 0];
const REGEXES = ['.*', '/a.*', '/[ab]+', '/a(/b)?', 'a|b', '/a|/b', '.*b', '[^/]+', '/', ''];
const VALUES = ['a', 'A', 'ab', 'b', ''];
const METHODS = ['GET', 'POST', 'get'];
const HEADERS = ['x-a', 'x-b', ':method', ':path', ':authority', 'host', ':scheme'];
const PARTS = ['/', 'a', 'b', 'A', '/a', '/b', '/ab'];

const pathText = (random: Random): string =>
  `/${Array.from({ length: random.int(0, 4) }, () => random.pick(PARTS)).join('')}`;

function text(random: Random, values: () => string): PlainText {
  const kind = random.pick(['exact', 'prefix', 'suffix', 'regex', 'present'] as const);
  if (kind === 'present') return { kind };
  if (kind === 'regex') return { kind, value: random.pick(REGEXES) };
  return { kind, value: values(), ...(random.chance(0.3) ? { ignoreCase: true } : {}) };
}

function pathMatch(random: Random): PlainText {
  return random.chance(0.3)
    ? { kind: 'segment-prefix', value: pathText(random) }
    : text(random, () => pathText(random));
}

function headerMatch(random: Random): PlainHeader {
  return {
    name: random.pick(HEADERS),
    value: text(random, () => random.pick([...VALUES, ...METHODS, 'a.test', '/a'])),
    ...(random.chance(0.3) ? { invert: true } : {}),
    ...(random.chance(0.3) ? { missingAsEmpty: true } : {}),
  };
}

function matchOf(random: Random): PlainMatch {
  const value = (): PlainText => text(random, () => random.pick(VALUES));
  const some = <Value>(share: number, make: () => Value): readonly Value[] =>
    random.chance(share) ? [make()] : [];
  const [path] = some(0.8, () => pathMatch(random));
  const [method] = some(0.15, () => text(random, () => random.pick(METHODS)));
  const [scheme] = some(0.05, () => text(random, () => random.pick(['http', 'https'])));
  const [authority] = some(0.1, () => text(random, () => random.pick(NAMES)));
  const headers = [0.2, 0.1].flatMap((share) => some(share, () => headerMatch(random)));
  const query = some(0.15, () => ({ name: random.pick(['q', 'Q']), value: value() }));
  const claims = some(0.1, () => ({
    path: random.pick([['sub'], ['scope'], ['a', 'b'], ['constructor']]),
    value: value(),
    ...(random.chance(0.3) ? { invert: true } : {}),
  }));
  return {
    ...(path === undefined ? {} : { path }),
    ...(method === undefined ? {} : { method }),
    ...(scheme === undefined ? {} : { scheme }),
    ...(authority === undefined ? {} : { authority }),
    ...(headers.length === 0 ? {} : { headers }),
    ...(query.length === 0 ? {} : { query }),
    ...(claims.length === 0 ? {} : { claims }),
  };
}

const hostOf = (random: Random): PlainHost => ({
  domains: random.shuffled(DOMAINS).slice(0, random.int(1, 3)),
  ...(random.chance(0.05) ? { httpsRedirect: true } : {}),
  routes: Array.from({ length: random.int(0, random.chance(0.1) ? 40 : 8) }, () => matchOf(random)),
});

function listenerOf(random: Random): PlainListener {
  return {
    port: random.pick(PORTS),
    ...(random.chance(0.25)
      ? { serverNames: random.shuffled(DOMAINS).slice(0, random.int(1, 3)) }
      : {}),
    ...(random.chance(0.2) ? { checksServerName: true } : {}),
    direction: random.pick(['gateway', 'outbound']),
    unmatchedHost: random.pick(['not-found', 'passthrough', 'block']),
    hosts: Array.from({ length: random.int(0, 4) }, () => hostOf(random)),
  };
}

const QUERIES = ['', '', '', '?', '?q=a', '?Q=a', '?q=b&q=a', '?q', '?q=a=b', '?x=1&q=ab'];
const CLAIMS = [
  { sub: 'a' },
  { scope: 'a b' },
  { sub: ['a', 1, 'b'] },
  { a: { b: 'A' } },
  { a: [] },
];

function requestOf(random: Random): PlainRequest {
  const name = random.pick(NAMES);
  const spelt = random.chance(0.2) ? name.toUpperCase() : name;
  return {
    port: random.pick([80, 80, 80, 80, 80, 80, 80, 81, 443, 9000]),
    ...(random.chance(0.4) ? { sni: random.pick([...NAMES, 'A.Test', '']) } : {}),
    scheme: random.pick(['http', 'https']),
    authority: spelt + random.pick(['', '', ':80', '.']),
    method: random.pick(['GET', 'POST']),
    path: pathText(random).replaceAll(/\/{2,}/g, '/'),
    query: random.pick(QUERIES),
    headers: Array.from(
      { length: random.int(0, 3) },
      () => [random.pick(['x-a', 'x-b']), random.pick(VALUES)] as const,
    ),
    ...(random.chance(0.3) ? { claims: random.pick(CLAIMS) } : {}),
  };
}

type Path = NonNullable<RouteMatch['path']>;

function linkedText(given: PlainText): Path {
  const { kind, value = '', ...rest } = given;
  if (kind === 'present') return { kind };
  if (kind === 'regex') return { kind, source: value, program: compileRegex(value) };
  return { kind, value, ...rest };
}

const asText = (given: PlainText): StringMatch => linkedText(given) as StringMatch;

function snapshotMatch(given: PlainMatch): RouteMatch {
  const { path, method, scheme, authority, headers, query, claims } = given;
  const valued = <Entry extends { readonly value: PlainText }>(
    list: readonly Entry[],
  ): (Omit<Entry, 'value'> & { readonly value: StringMatch })[] =>
    list.map(({ value, ...rest }) => ({ ...rest, value: asText(value) }));
  return {
    ...(path === undefined ? {} : { path: linkedText(path) }),
    ...(method === undefined ? {} : { method: asText(method) }),
    ...(scheme === undefined ? {} : { scheme: asText(scheme) }),
    ...(authority === undefined ? {} : { authority: asText(authority) }),
    ...(headers === undefined ? {} : { headers: valued(headers) }),
    ...(query === undefined ? {} : { query: valued(query) }),
    ...(claims === undefined ? {} : { claims: valued(claims) }),
  };
}

function snapshotListener(given: PlainListener, index: number): Listener {
  const { hosts, serverNames, checksServerName, ...rest } = given;
  return listener({
    ...rest,
    name: `l${index}`,
    protocol: serverNames === undefined ? 'HTTP' : 'HTTPS',
    ...(serverNames === undefined ? {} : { serverNames }),
    ...(checksServerName === undefined ? {} : { checksServerName }),
    virtualHosts: hosts.map(({ domains, routes, httpsRedirect }, place) => ({
      name: `h${place}`,
      domains,
      ...(httpsRedirect === undefined ? {} : { httpsRedirect }),
      routes: routes.map((match, at): Route =>
        route({ name: `${index}/${place}/${at}`, match: snapshotMatch(match) }),
      ),
    })),
  });
}

function exchangeOf(linked: LinkedSnapshot, request: PlainRequest, isTraced: boolean) {
  const { port, sni, scheme, authority, method, path, query, headers } = request;
  const line = { method, scheme, authority, target: path + query };
  return createExchange(
    {
      linked,
      head: new RequestHeaderList(line, headers),
      peer: { ip: '192.0.2.1', ...(sni === undefined ? {} : { tls: { sni, mutual: false } }) },
      port,
      ...(isTraced ? { trace: true } : {}),
    },
    0,
  );
}

function withClaims(
  x: EngineExchange,
  claims: Readonly<Record<string, unknown>> | undefined,
): void {
  if (claims !== undefined)
    x.identity = { issuer: '', subject: '', claims } as unknown as NonNullable<typeof x.identity>;
}

function decide(linked: LinkedSnapshot, request: PlainRequest, isTraced: boolean): string {
  const x = exchangeOf(linked, request, isTraced);
  const refused = accept(x);
  withClaims(x, request.claims);
  const answer = refused ?? routeOf(x);
  if (answer === undefined) return x.route?.name ?? 'route without a name';
  if (answer === 'passthrough') return 'passthrough';
  if (answer.details === 'https_redirect') return 'https';
  const names: ReadonlyMap<unknown, string> = new Map([
    [replies.noListener, 'no listener'],
    [replies.misdirected, 'misdirected'],
    [replies.noRoute, 'no route'],
    [replies.blockedHost, 'blocked'],
  ]);
  return names.get(answer) ?? `refused: ${answer.details}`;
}

interface Table {
  readonly listeners: readonly PlainListener[];
  readonly requests: readonly PlainRequest[];
}

/** What stood before the table is linked: one that has its parts in other places, some of them changed. */
function linkedTwice(listeners: readonly Listener[]): readonly LinkedSnapshot[] {
  const options = { host: createFakeHost(), filters: [] };
  const before = listeners.map((one) => ({
    ...one,
    virtualHosts: one.virtualHosts
      .map((host, index) => (index % 2 === 0 ? host : { ...host, routes: host.routes.slice(1) }))
      .toReversed(),
  }));
  const empty = overlay({});
  const named = snapshot({ listeners, type: 'gateway' });
  const linker = createLinker(options);
  linker.link(snapshot({ listeners: before, type: 'gateway' }), empty, noKeys);
  return [createLinker(options).link(named, empty, noKeys), linker.link(named, empty, noKeys)];
}

const WHOLE = ['scheme', 'authority', 'method', 'path', 'query', 'headers'] as const;

export const routeTables: Property = {
  name: 'decisions against the slow reference',
  make: (random) =>
    ({
      listeners: Array.from({ length: random.int(1, 4) }, () => listenerOf(random)),
      requests: Array.from({ length: 12 }, () => requestOf(random)),
    }) as unknown as Json,
  check(value, counts: Counts) {
    const { listeners = [], requests = [] } = value as unknown as Partial<Table>;
    const linked = linkedTwice(listeners.map((one, index) => snapshotListener(one, index)));
    // A smaller case may lack what every request has.
    for (const request of requests.filter((one) => WHOLE.every((field) => field in one))) {
      const wanted = decideSlowly(listeners, request);
      counts.add('decisions');
      counts.add(wanted.includes('/') ? 'decided: a route' : `decided: ${wanted}`);
      const seen = linked.flatMap((one) => [
        decide(one, request, false),
        decide(one, request, true),
      ]);
      const other = seen.find((each) => each !== wanted);
      if (other !== undefined)
        return `the reference says ${wanted}, the data path ${other}\n${seen.join(', ')}\n${JSON.stringify(request)}`;
    }
    return undefined;
  },
  show: yamlOf,
};
