/** The linked rules against an evaluator that is written down from the API's text and looks at the resource itself. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFakeHost } from '../../host/fake-host.ts';
import { RequestHeaderList } from '../../lib/header-list.ts';
import type {
  AuthorizationOperation,
  AuthorizationPolicySpec,
  AuthorizationRule,
  AuthorizationSource,
  Resource,
} from '../../model/api.ts';
import type { Exchange } from '../../model/exchange.ts';
import type { RequestIdentity } from '../../model/identity.ts';
import type { Listener, MeshSettings } from '../../model/snapshot.ts';
import { rbacCompiler } from './compile.ts';
import { rbacFilter } from './filter.ts';

const mesh: MeshSettings = {
  trustDomain: 'cluster.local',
  trustDomainAliases: ['old.domain'],
  domain: 'cluster.local',
  pathNormalization: 'BASE',
  outboundPolicy: 'ALLOW_ANY',
  trustedHops: 0,
};

interface World {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly port: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly ip: string;
  readonly remoteIp: string;
  readonly principal: string | undefined;
  readonly sni: string | undefined;
  readonly token: RequestIdentity | undefined;
}

/** Nobody can say. */
const UNKNOWN = 'unknown';
type Truth = boolean | typeof UNKNOWN;

const not = (truth: Truth): Truth => (truth === UNKNOWN ? UNKNOWN : !truth);
const every = (truths: readonly Truth[]): Truth =>
  truths.includes(false) ? false : truths.includes(UNKNOWN) ? UNKNOWN : true;
const some = (truths: readonly Truth[]): Truth => not(every(truths.map((truth) => not(truth))));

function text(pattern: string, value: string): boolean {
  if (pattern === '*') return value !== '';
  if (pattern.startsWith('*')) return value.endsWith(pattern.slice(1));
  if (pattern.endsWith('*')) return value.startsWith(pattern.slice(0, -1));
  return pattern === value;
}

const escaped = (literal: string): string => literal.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
const regex = (source: string): RegExp => new RegExp(`^(?:${source})$`, 's');

/** By a regular expression of JavaScript's own. */
function template(pattern: string, value: string): boolean {
  const source = pattern
    .split(/(\{\*\*?\})/)
    .map((part) => (part === '{*}' ? '[^/]+' : part === '{**}' ? '.*' : escaped(part)))
    .join('');
  return regex(source).test(value);
}

const path = (pattern: string, value: string): boolean =>
  pattern.includes('{*') ? template(pattern, value) : text(pattern, value);
const namespace = (pattern: string, value: string): boolean =>
  value !== '' && regex(pattern.split('*').map(escaped).join('.*')).test(value);

function block(pattern: string, ip: string): boolean {
  const number = (address: string): number =>
    address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const [base = '', length = '32'] = pattern.split('/');
  const size = 2 ** (32 - Number(length));
  return Math.floor(number(base) / size) === Math.floor(number(ip) / size);
}

interface Field {
  /** Absent where the request has none of it. */
  readonly values: readonly string[];
  /** In other words of the same request. */
  readonly others?: readonly string[];
  readonly matches: (pattern: string, value: string) => boolean;
  readonly isUnknown?: boolean;
}

function lists(
  { values, others = [], matches, isUnknown = false }: Field,
  wanted: readonly string[] | undefined,
  unwanted: readonly string[] | undefined,
): Truth {
  const among = (patterns: readonly string[]): Truth => {
    if (isUnknown) return UNKNOWN;
    if (values.some((value) => patterns.some((pattern) => matches(pattern, value)))) return true;
    return others.some((value) => patterns.some((pattern) => matches(pattern, value)))
      ? UNKNOWN
      : false;
  };
  return every([
    wanted === undefined ? true : among(wanted),
    unwanted === undefined ? true : not(among(unwanted)),
  ]);
}

const present = (value: string | undefined): readonly string[] =>
  value === undefined || value === '' ? [] : [value];

/** `cluster.local` and the mesh's own domain mean every name that the mesh has. */
const underAliases =
  (matches: Field['matches']): Field['matches'] =>
  (pattern, value) => {
    const own = ['cluster.local', 'old.domain'];
    const [domain = '', ...rest] = pattern.split('/');
    const patterns =
      rest.length === 4 && own.includes(domain)
        ? own.map((name) => [name, ...rest].join('/'))
        : [pattern];
    return patterns.some((one) => matches(one, value));
  };

function identityOf({ principal }: World): { namespace: string; account: string } | undefined {
  const parts = (principal ?? '').split('/');
  return parts.length === 5 && parts[1] === 'ns' && parts[3] === 'sa' && !parts.includes('')
    ? { namespace: parts[2] ?? '', account: parts[4] ?? '' }
    : undefined;
}

function fields(world: World): Readonly<Record<string, Field>> {
  const id = identityOf(world);
  const isStranger = id === undefined && present(world.principal).length > 0;
  const { token } = world;
  const isToken = token !== undefined && token.principal !== '';
  const bare = world.authority.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
  return {
    principals: { values: present(world.principal), matches: underAliases(text) },
    namespaces: { values: present(id?.namespace), matches: namespace, isUnknown: isStranger },
    serviceAccounts: {
      values: id === undefined ? [] : [`${id.namespace}/${id.account}`],
      matches: (pattern, value) => (pattern.includes('/') ? pattern : `shop/${pattern}`) === value,
      isUnknown: isStranger,
    },
    trustDomains: { values: present(world.principal?.split('/')[0]), matches: text },
    requestPrincipals: {
      values: isToken ? [`${token.issuer}\n${token.subject}`] : [],
      matches(pattern, value) {
        const [issuer = '', subject = ''] = value.split('\n');
        const slash = pattern.lastIndexOf('/');
        if (pattern === '*') return true;
        return slash < 0
          ? text(pattern, `${issuer}\0${subject}`)
          : text(pattern.slice(0, slash), issuer) && text(pattern.slice(slash + 1), subject);
      },
    },
    ipBlocks: { values: [world.ip], matches: block },
    remoteIpBlocks: {
      values: [world.remoteIp],
      matches: block,
      isUnknown: !/^[\d.]+$/.test(world.remoteIp),
    },
    hosts: {
      values: [world.authority.toLowerCase()],
      others: [bare],
      matches: (pattern, value) => text(pattern.toLowerCase(), value),
    },
    ports: { values: [String(world.port)], matches: (pattern, value) => pattern === value },
    methods: { values: [world.method], matches: text },
    paths: {
      values: [world.path],
      others: world.path.includes(';') ? [world.path.replaceAll(/;[^/]*/g, '')] : [],
      matches: path,
    },
  };
}

function entry(given: object, world: World): Truth {
  const known = fields(world);
  const lookup = given as Readonly<Record<string, readonly string[] | undefined>>;
  return every(
    Object.entries(known).map(([name, field]) =>
      lists(field, lookup[name], lookup[`not${name[0]?.toUpperCase()}${name.slice(1)}`]),
    ),
  );
}

function claimed(keys: readonly string[], token: RequestIdentity | undefined): readonly string[] {
  let value: unknown = token?.claims;
  for (const key of keys)
    value =
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.entries(value).find(([name]) => name === key)?.[1]
        : undefined;
  if (Array.isArray(value)) return value.filter((one) => typeof one === 'string');
  if (typeof value !== 'string') return [];
  return keys.length === 1 && ['scope', 'permission'].includes(keys[0] ?? '')
    ? value.split(' ')
    : [value];
}

function attribute(key: string, world: World): Field {
  const known = fields(world);
  const header = /^request\.headers\[(.+)\]$/.exec(key)?.[1]?.toLowerCase();
  if (header !== undefined) {
    const values = world.headers.filter(([name]) => name === header).map(([, value]) => value);
    return { values, others: values.length > 1 ? [values.join(',')] : [], matches: text };
  }
  if (key.startsWith('request.auth.claims'))
    return {
      values: claimed(
        [...key.matchAll(/\[([^\]]+)\]/g)].map(([, name = '']) => name),
        world.token,
      ),
      matches: text,
    };
  const own: Readonly<Record<string, Field | undefined>> = {
    'source.ip': known['ipBlocks'],
    'remote.ip': known['remoteIpBlocks'],
    'source.principal': known['principals'],
    'source.namespace': known['namespaces'],
    'source.serviceAccount': known['serviceAccounts'],
    'source.trustDomain': known['trustDomains'],
    'request.auth.principal': known['requestPrincipals'],
    'request.auth.audiences': { values: world.token?.audiences ?? [], matches: text },
    'request.auth.presenter': { values: present(world.token?.presenter), matches: text },
    'destination.port': { values: [String(world.port)], matches: text },
    'connection.sni': { values: present(world.sni), matches: text },
  };
  // What only Envoy knows, and the address of a workload that has none or several.
  return own[key] ?? { values: [], matches: text, isUnknown: true };
}

function holds({ from = [], to = [], when = [] }: AuthorizationRule, world: World): Truth {
  return every([
    from.length === 0 ? true : some(from.map(({ source }) => entry(source ?? {}, world))),
    to.length === 0 ? true : some(to.map(({ operation }) => entry(operation ?? {}, world))),
    ...when.map(({ key, values, notValues }) => lists(attribute(key, world), values, notValues)),
  ]);
}

type Policy = Resource<AuthorizationPolicySpec>;
const actionOf = ({ spec }: Policy): string => spec.action ?? 'ALLOW';
const isDry = ({ metadata }: Policy): boolean =>
  metadata.annotations?.['istio.io/dry-run'] === 'true';

interface Decision {
  readonly isAllowed: boolean;
  readonly by: string;
  readonly rule: number | undefined;
  readonly shadowAllow: string | undefined;
  readonly shadowDeny: string | undefined;
}

function firstOf(
  policies: readonly Policy[],
  world: World,
  unknown: boolean,
): [string, number] | undefined {
  for (const { metadata, spec } of policies)
    for (const [index, rule] of (spec.rules ?? []).entries()) {
      const truth = holds(rule, world);
      if (truth === UNKNOWN ? unknown : truth) return [metadata.name, index];
    }
  return undefined;
}

/** Slowly, and as the text says it. */
function decide(policies: readonly Policy[], world: World): Decision {
  const of = (action: string, dry: boolean): Policy[] =>
    policies.filter((policy) => actionOf(policy) === action && isDry(policy) === dry);
  const tried = (action: string): string | undefined => {
    const dry = of(action, true);
    if (dry.length === 0) return undefined;
    const match = firstOf(dry, world, action === 'DENY');
    const result = (match === undefined) === (action === 'DENY') ? 'allowed' : 'denied';
    return match === undefined ? result : `${result} ${match[0]} ${match[1]}`;
  };
  const shadowDeny = tried('DENY');
  const denied = firstOf(of('DENY', false), world, true);
  if (denied !== undefined)
    return { isAllowed: false, by: denied[0], rule: denied[1], shadowDeny, shadowAllow: undefined };
  const shadowAllow = tried('ALLOW');
  const allow = of('ALLOW', false);
  const allowed = firstOf(allow, world, false);
  return {
    isAllowed: allowed !== undefined || allow.length === 0,
    by: allowed?.[0] ?? '',
    rule: allowed?.[1],
    shadowDeny,
    shadowAllow,
  };
}

function exchange(world: World): Exchange {
  const { method, path: sent, authority, headers } = world;
  const line = { method, scheme: 'http', authority, target: sent } as const;
  return {
    ...line,
    path: sent,
    query: '',
    host: authority.toLowerCase().replace(/:\d+$/, ''),
    port: world.port,
    listener: {} as Listener,
    request: new RequestHeaderList(line, headers),
    remoteIp: world.remoteIp,
    peer: {
      ip: world.ip,
      ...(world.principal === undefined ? {} : { principal: world.principal }),
      ...(world.sni === undefined ? {} : { tls: { sni: world.sni, mutual: false } }),
    },
    identity: world.token,
    decidedBy: '',
    trace: undefined,
  } as unknown as Exchange;
}

function asked(policies: readonly Policy[], world: World): Decision {
  const filter = rbacCompiler.compileWorkload?.({
    mesh,
    requestAuthentications: [],
    authorizationPolicies: policies,
    workloadAddresses: [],
    authorizer: () => undefined,
    callable: () => undefined,
    origin: ({ kind }, at) => ({ resource: kind, path: at }),
  })?.filter;
  const x = exchange(world);
  const linked =
    filter &&
    rbacFilter.link(JSON.parse(JSON.stringify(filter.config)), {
      host: createFakeHost(),
      slot: 0,
      mesh,
      keys: () => undefined,
      refreshKeys: () => Promise.resolve(),
      call: () => Promise.reject(new Error('nobody can be reached')),
    });
  const isAllowed = linked?.request?.(x) === undefined;
  const told = (given: { result: string; policyId?: string } | undefined): string | undefined => {
    if (given === undefined) return undefined;
    const id = /policy\[(.+)\]-rule\[(\d+)\]$/.exec(given.policyId ?? '');
    return id === null ? given.result : `${given.result} ${id[1]} ${id[2]}`;
  };
  return {
    isAllowed,
    by: x.decidedBy.replace('shop/', ''),
    rule: x.decidedRule,
    shadowDeny: told(x.marks?.shadowDeny),
    shadowAllow: told(x.marks?.shadowAllow),
  };
}

const list = (...values: string[]): fc.Arbitrary<string[]> =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });
/** Mostly absent, so that rules match now and then. */
const perhaps = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: value as fc.Arbitrary<T | undefined> },
  );

function both(name: string, values: fc.Arbitrary<string[]>): Record<string, fc.Arbitrary<unknown>> {
  return {
    [name]: perhaps(values),
    [`not${name[0]?.toUpperCase()}${name.slice(1)}`]: perhaps(values),
  };
}

const PRINCIPALS = [
  'cluster.local/ns/a/sa/b',
  'old.domain/ns/a/sa/b',
  'far.test/ns/a/sa/c',
  'far.test/other',
];
const NAMES = {
  principals: list(...PRINCIPALS, '*', '*/sa/b', 'cluster.local/ns/a/*', 'far.test/*'),
  namespaces: list('a', 'a*', '*b*', '*', 'b'),
  serviceAccounts: list('b', 'a/b', 'shop/b'),
  trustDomains: list('cluster.local', 'far*', '*'),
  requestPrincipals: list('https://i/s', '*', 'https://i/*', '*/s', 'https://i*', '*s', 'other'),
  ipBlocks: list('10.0.0.0/8', '10.1.0.0/16', '192.0.2.7', '0.0.0.0/0'),
  hosts: list('shop.test', '*.test', 'SHOP*', '*', 'shop.test:80'),
  ports: list('80', '8080'),
  methods: list('GET', 'P*', '*T', '*'),
  paths: list('/a', '/a*', '*b', '*', '/a/{*}', '/{*}/b', '/a/{**}', '/{**}/b', '/{*}/{**}b'),
  text: list('x', 'x*', '*y', '*', 'x,y'),
};

const source = fc.record({
  ...both('principals', NAMES.principals),
  ...both('requestPrincipals', NAMES.requestPrincipals),
  ...both('namespaces', NAMES.namespaces),
  ...both('serviceAccounts', NAMES.serviceAccounts),
  ...both('trustDomains', NAMES.trustDomains),
  ...both('ipBlocks', NAMES.ipBlocks),
  ...both('remoteIpBlocks', NAMES.ipBlocks),
}) as fc.Arbitrary<AuthorizationSource>;
const operation = fc.record({
  ...both('hosts', NAMES.hosts),
  ...both('ports', NAMES.ports),
  ...both('methods', NAMES.methods),
  ...both('paths', NAMES.paths),
}) as fc.Arbitrary<AuthorizationOperation>;

const KEYS: readonly (readonly [string, fc.Arbitrary<string[]>])[] = [
  ['request.headers[x-a]', NAMES.text],
  ['request.headers[X-A]', NAMES.text],
  ['request.auth.claims[group]', NAMES.text],
  ['request.auth.claims[scope]', NAMES.text],
  ['request.auth.claims[deep][group]', NAMES.text],
  ['request.auth.audiences', NAMES.text],
  ['request.auth.presenter', NAMES.text],
  ['request.auth.principal', NAMES.requestPrincipals],
  ['source.ip', NAMES.ipBlocks],
  ['remote.ip', NAMES.ipBlocks],
  ['source.principal', NAMES.principals],
  ['source.namespace', NAMES.namespaces],
  ['source.serviceAccount', NAMES.serviceAccounts],
  ['source.trustDomain', NAMES.trustDomains],
  ['destination.port', NAMES.ports],
  ['destination.ip', NAMES.ipBlocks],
  ['connection.sni', NAMES.text],
  ['experimental.envoy.filters.network.mysql[t]', NAMES.text],
];
const condition = fc
  .constantFrom(...KEYS)
  .chain(([key, values]) =>
    fc.oneof(
      fc.record({ key: fc.constant(key), values }),
      fc.record({ key: fc.constant(key), notValues: values }),
      fc.record({ key: fc.constant(key), values, notValues: values }),
    ),
  );

const rule = fc.record({
  from: fc.array(fc.record({ source }), { maxLength: 2 }),
  to: fc.array(fc.record({ operation }), { maxLength: 2 }),
  when: fc.array(condition, { maxLength: 2 }),
}) as fc.Arbitrary<AuthorizationRule>;

const policies = fc
  .array(
    fc.record({
      action: fc.constantFrom('ALLOW', 'DENY', undefined),
      rules: fc.array(rule, { maxLength: 3 }),
      isDry: fc.boolean(),
    }),
    { maxLength: 4 },
  )
  .map((given) =>
    given.map(
      ({ action, rules, isDry: dry }, index) =>
        ({
          group: 'security.istio.io',
          version: 'v1',
          kind: 'AuthorizationPolicy',
          metadata: {
            name: `p${index}`,
            namespace: 'shop',
            annotations: { 'istio.io/dry-run': String(dry) },
          },
          spec: { action, rules },
        }) as unknown as Policy,
    ),
  );

const claims = fc.record({
  group: fc.constantFrom<unknown>('x', ['x', 'y', 5], 5, null, undefined, ['xy'], { group: 'x' }),
  scope: fc.constantFrom<unknown>('x y', 'xy', ['x y'], undefined),
  deep: fc.constantFrom<unknown>({ group: 'x' }, { group: ['y'] }, 'x', ['x'], undefined),
});
const token = fc.record({
  principal: fc.constantFrom('https://i/s', 'https://i/s', ''),
  issuer: fc.constant('https://i'),
  subject: fc.constant('s'),
  audiences: fc.constantFrom<string[]>(['x'], ['x', 'zy'], []),
  presenter: fc.constantFrom('x', ''),
  claims,
  spaceDelimitedClaims: fc.constant<string[]>([]),
});

const world: fc.Arbitrary<World> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT'),
  path: fc.constantFrom('/a', '/a/b', '/a/x/b', '/', '/a;v=1', '/a;v=1/b', '/x/b', '/a/', '/a//b'),
  authority: fc.constantFrom('shop.test', 'SHOP.test:80', 'shop.test.', 'x.test'),
  port: fc.constantFrom(80, 8080),
  headers: fc.constantFrom<[string, string][]>(
    [],
    [['x-a', 'x']],
    [['x-a', 'zy']],
    [
      ['x-a', 'x'],
      ['x-a', 'y'],
    ],
    [['x-a', '']],
  ),
  ip: fc.constantFrom('10.1.2.3', '10.2.3.4', '192.0.2.7', '198.51.100.1'),
  remoteIp: fc.constantFrom('10.1.2.3', '192.0.2.7', 'unknown', '::ffff:10.1.2.3'),
  principal: fc.constantFrom(...PRINCIPALS, undefined, ''),
  sni: fc.constantFrom('x', 'zy', '', undefined),
  token: fc.option(token, { nil: undefined }) as fc.Arbitrary<RequestIdentity | undefined>,
});

describe('what the linked rules decide', () => {
  it('is what the text of the API says, for every policy and request', () => {
    fc.assert(
      fc.property(policies, world, (given, request) => {
        expect(asked(given, request)).toEqual(decide(given, request));
      }),
      { numRuns: 2500 },
    );
  });

  it('never depends on a policy in dry run', () => {
    fc.assert(
      fc.property(policies, world, (given, request) => {
        const enforced = given.filter((policy) => !isDry(policy));
        const { isAllowed, by, rule: number } = asked(given, request);
        const alone = asked(enforced, request);
        expect([isAllowed, by, number]).toEqual([alone.isAllowed, alone.by, alone.rule]);
      }),
      { numRuns: 400 },
    );
  });

  it('a DENY more never lets more pass, an ALLOW rule more never lets less pass', () => {
    fc.assert(
      fc.property(policies, rule, world, (given, more, request) => {
        const of = (action: string): Policy => ({
          group: 'security.istio.io',
          version: 'v1',
          kind: 'AuthorizationPolicy',
          metadata: { name: 'more', namespace: 'shop' },
          spec: { action, rules: [more] } as AuthorizationPolicySpec,
        });
        const before = asked(given, request).isAllowed;
        if (asked([...given, of('DENY')], request).isAllowed) expect(before).toBe(true);
        const hasAllow = given.some((one) => actionOf(one) === 'ALLOW' && !isDry(one));
        if (hasAllow && before)
          expect(asked([...given, of('ALLOW')], request).isAllowed).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it('what nobody can judge matches a DENY and no ALLOW', () => {
    fc.assert(
      fc.property(rule, world, (given, request) => {
        fc.pre(holds(given, request) === UNKNOWN);
        const of = (action: string): Policy => ({
          group: 'security.istio.io',
          version: 'v1',
          kind: 'AuthorizationPolicy',
          metadata: { name: 'one', namespace: 'shop' },
          spec: { action, rules: [given] } as AuthorizationPolicySpec,
        });
        expect(asked([of('DENY')], request).isAllowed).toBe(false);
        expect(asked([of('ALLOW')], request).isAllowed).toBe(false);
      }),
      { numRuns: 150 },
    );
  });
});
