import { describe, expect, it } from 'vitest';
import { createFakeHost } from '../../host/fake-host.ts';
import { RequestHeaderList } from '../../lib/header-list.ts';
import type { AuthorizationPolicySpec, AuthorizationRule, Resource } from '../../model/api.ts';
import type { Exchange, LocalReply, TraceStep } from '../../model/exchange.ts';
import type { RequestIdentity } from '../../model/identity.ts';
import type { Filter } from '../../model/policy.ts';
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

type Policy = Resource<AuthorizationPolicySpec>;

function policy(
  name: string,
  spec: AuthorizationPolicySpec,
  annotations: Readonly<Record<string, string>> = {},
): Policy {
  return {
    group: 'security.istio.io',
    version: 'v1',
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace: 'shop', annotations },
    spec,
  };
}

const when = (key: string, values: string[], notValues?: string[]): AuthorizationRule => ({
  when: [{ key, ...(notValues === undefined ? { values } : { notValues }) }],
});
const paths = (...list: string[]): AuthorizationRule => ({ to: [{ operation: { paths: list } }] });
const allow = (...rules: AuthorizationRule[]): Policy =>
  policy('allow', { action: 'ALLOW', rules });
const deny = (...rules: AuthorizationRule[]): Policy => policy('deny', { action: 'DENY', rules });

function linked(policies: readonly Policy[], workloadAddresses: readonly string[] = []): Filter {
  const compiled = rbacCompiler.compileWorkload?.({
    mesh,
    requestAuthentications: [],
    authorizationPolicies: policies,
    workloadAddresses,
    authorizer: () => undefined,
    callable: () => undefined,
    origin: ({ kind }, path) => ({ resource: kind, path }),
  });
  if (compiled?.filter === undefined) throw new Error('nothing was compiled');
  // What a data plane gets has been through JSON.
  return rbacFilter.link(JSON.parse(JSON.stringify(compiled.filter.config)), {
    host: createFakeHost(),
    slot: 0,
    mesh,
    keys: () => undefined,
    refreshKeys: () => Promise.resolve(),
    call: () => Promise.reject(new Error('nobody can be reached')),
  });
}

class JoinedHeaders extends RequestHeaderList {
  override readonly joinsRepeated: boolean = true;
  override getAll(name: string): readonly string[] {
    const value = super.getAll(name);
    return value.length === 0 ? value : [value.join(', ')];
  }
}

interface Given {
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  readonly authority?: string;
  readonly headers?: [string, string][];
  readonly joined?: boolean;
  readonly ip?: string;
  readonly remoteIp?: string;
  readonly principal?: string;
  readonly identity?: Partial<RequestIdentity>;
  readonly trace?: TraceStep[];
}

function exchange(given: Given = {}): Exchange {
  const {
    method = 'GET',
    path = '/',
    query = '',
    authority = 'shop.test',
    ip = '10.1.0.1',
  } = given;
  const line = { method, scheme: 'http', authority, target: path + query } as const;
  const Headers = given.joined === true ? JoinedHeaders : RequestHeaderList;
  const identity: RequestIdentity = {
    principal: '',
    issuer: '',
    subject: '',
    audiences: [],
    claims: {},
    spaceDelimitedClaims: [],
    ...given.identity,
  };
  return {
    ...line,
    path,
    query,
    host: authority.toLowerCase().split(':')[0],
    port: 8080,
    listener: {} as Listener,
    request: new Headers(line, given.headers ?? []),
    remoteIp: given.remoteIp ?? ip,
    peer: { ip, ...(given.principal === undefined ? {} : { principal: given.principal }) },
    identity: given.identity === undefined ? undefined : identity,
    decidedBy: '',
    trace: given.trace,
  } as unknown as Exchange;
}

const isDenied = (filter: Filter, given: Given = {}): boolean =>
  filter.request?.(exchange(given)) !== undefined;

describe('order', () => {
  it('asks DENY first, then ALLOW, and refuses what no ALLOW takes', () => {
    const filter = linked([allow(paths('/open', '/both')), deny(paths('/both'))]);
    expect(isDenied(filter, { path: '/open' })).toBe(false);
    expect(isDenied(filter, { path: '/both' })).toBe(true);
    expect(isDenied(filter, { path: '/other' })).toBe(true);
  });

  it('lets everything else pass where no ALLOW policy holds', () => {
    const filter = linked([deny(paths('/admin*'))]);
    expect(isDenied(filter, { path: '/admin/x' })).toBe(true);
    expect(isDenied(filter, { path: '/' })).toBe(false);
  });

  it('refuses everything under an ALLOW policy without rules, nothing under a DENY without', () => {
    expect(isDenied(linked([policy('none', {})]))).toBe(true);
    expect(isDenied(linked([policy('none', { action: 'DENY' })]))).toBe(false);
  });

  it('neither refuses nor allows by AUDIT or in a dry run', () => {
    const dry = { 'istio.io/dry-run': 'true' };
    const audit = policy('audit', { action: 'AUDIT', rules: [{}] });
    expect(isDenied(linked([audit, allow(paths('/open'))]), { path: '/' })).toBe(true);
    expect(isDenied(linked([audit]))).toBe(false);
    expect(isDenied(linked([policy('d', { action: 'DENY', rules: [{}] }, dry)]))).toBe(false);
    expect(isDenied(linked([policy('a', { rules: [paths('/x')] }, dry)]))).toBe(false);
  });
});

describe('refusal', () => {
  const bodyOf = (filter: Filter, x: Exchange): LocalReply => filter.request?.(x) as LocalReply;

  it('has status, body, no flag, and the policy in details and in the exchange', () => {
    const x = exchange({ path: '/admin' });
    expect(bodyOf(linked([deny(paths('/admin'))]), x)).toEqual({
      status: 403,
      body: 'RBAC: access denied',
      headers: [['content-type', 'text/plain']],
      flag: '',
      details: 'rbac_access_denied_matched_policy[ns[shop]-policy[deny]-rule[0]]',
    });
    expect(x.decidedBy).toBe('shop/deny');
    const none = bodyOf(linked([allow(paths('/open'))]), exchange());
    expect(none.details).toBe('rbac_access_denied_matched_policy[none]');
  });

  it('says which rule decided, when asked', () => {
    const trace: TraceStep[] = [];
    const filter = linked([deny(paths('/a'), paths('/b')), allow(paths('/c'))]);
    expect(isDenied(filter, { path: '/b', trace })).toBe(true);
    const step = { step: 'policy', name: 'shop/deny' };
    const resource = 'AuthorizationPolicy shop/deny';
    expect(trace).toEqual([
      {
        ...step,
        outcome: 'denied',
        detail: 'DENY rule 1 matches',
        origin: { resource, path: 'spec.rules[1]' },
      },
    ]);
  });

  it('says of each rule that does not match which test failed, with what was seen', () => {
    const trace: TraceStep[] = [];
    const role = when('request.headers[x-role]', ['admin', 'op*']);
    const filter = linked([allow(paths('/a', '/b*'), role)]);
    expect(isDenied(filter, { path: '/c', headers: [['x-role', 'guest']], trace })).toBe(true);
    expect(trace[0]?.detail).toBe(
      'ALLOW, rule 0: path is "/c", want /a or /b*; rule 1: header x-role is "guest", want admin or op*',
    );
  });
});

describe('absent values', () => {
  it('match neither DENY nor ALLOW; their negation matches both', () => {
    const is = when('request.headers[x-role]', ['admin']);
    const isNot = when('request.headers[x-role]', [], ['admin']);
    expect(isDenied(linked([deny(is)]))).toBe(false);
    expect(isDenied(linked([allow(is)]))).toBe(true);
    expect(isDenied(linked([deny(isNot)]))).toBe(true);
    expect(isDenied(linked([allow(isNot)]))).toBe(false);
  });

  it('of identities: no certificate and no token are nobody', () => {
    const principals = { from: [{ source: { principals: ['*'] } }] };
    const requestPrincipals = { from: [{ source: { requestPrincipals: ['*'] } }] };
    const principal = 'cluster.local/ns/a/sa/b';
    expect(isDenied(linked([allow(principals)]))).toBe(true);
    expect(isDenied(linked([allow(principals)]), { principal })).toBe(false);
    expect(isDenied(linked([allow(requestPrincipals)]))).toBe(true);
    const identity = { principal: 'https://i/s', issuer: 'https://i', subject: 's' };
    expect(isDenied(linked([allow(requestPrincipals)]), { identity })).toBe(false);
    expect(isDenied(linked([allow(requestPrincipals)]), { identity: { issuer: 'i' } })).toBe(true);
  });
});

describe('what a runtime has joined', () => {
  const role = when('request.headers[x-role]', ['admin']);
  const other = when('request.headers[x-role]', [], ['admin']);
  const headers: [string, string][] = [
    ['x-role', 'user'],
    ['x-role', 'admin'],
  ];

  it('matches in DENY and does not in ALLOW, where only a part would match', () => {
    expect(isDenied(linked([deny(role)]), { headers, joined: true })).toBe(true);
    expect(isDenied(linked([allow(role)]), { headers, joined: true })).toBe(true);
    expect(isDenied(linked([deny(other)]), { headers, joined: true })).toBe(true);
    expect(isDenied(linked([allow(other)]), { headers, joined: true })).toBe(true);
  });

  it('is decided as usual where both readings agree', () => {
    const single: [string, string][] = [['x-role', 'admin']];
    expect(isDenied(linked([allow(role)]), { headers: single, joined: true })).toBe(false);
    const list: [string, string][] = [['x-role', 'user, guest']];
    expect(isDenied(linked([deny(role)]), { headers: list, joined: true })).toBe(false);
  });

  it('values that stand apart are looked at one by one, and a DENY on the joined text holds too', () => {
    expect(isDenied(linked([deny(role)]), { headers })).toBe(true);
    expect(isDenied(linked([allow(role)]), { headers })).toBe(false);
    expect(
      isDenied(linked([deny(when('request.headers[x-role]', ['user,admin']))]), { headers }),
    ).toBe(true);
    expect(
      isDenied(linked([allow(when('request.headers[x-role]', ['user,admin']))]), { headers }),
    ).toBe(true);
  });
});

describe('other readings of a path or host', () => {
  it('a DENY covers path parameters, an ALLOW does not', () => {
    expect(isDenied(linked([deny(paths('/admin'))]), { path: '/admin;x=1' })).toBe(true);
    expect(isDenied(linked([allow(paths('/admin'))]), { path: '/admin;x=1' })).toBe(true);
    expect(isDenied(linked([deny(paths('/a/b'))]), { path: '/a;v=1/b' })).toBe(true);
  });

  it('a DENY covers a port and a final dot of the host', () => {
    const host: AuthorizationRule = { to: [{ operation: { hosts: ['admin.test'] } }] };
    for (const authority of ['admin.test', 'ADMIN.test', 'admin.test:8080', 'admin.test.'])
      expect(isDenied(linked([deny(host)]), { authority }), authority).toBe(true);
    expect(isDenied(linked([allow(host)]), { authority: 'admin.test:8080' })).toBe(true);
    expect(isDenied(linked([deny(host)]), { authority: 'badmin.test' })).toBe(false);
  });
});

describe('attributes', () => {
  it('operations: hosts, ports, methods, paths and their negations, all of one entry', () => {
    const rule: AuthorizationRule = {
      to: [{ operation: { methods: ['GET'], notPaths: ['/private*'], ports: ['8080'] } }],
    };
    const filter = linked([allow(rule)]);
    expect(isDenied(filter)).toBe(false);
    expect(isDenied(filter, { method: 'POST' })).toBe(true);
    expect(isDenied(filter, { path: '/private/x' })).toBe(true);
  });

  it('path patterns: exact, prefix, suffix, present, template', () => {
    const takes = (pattern: string, path: string): boolean =>
      !isDenied(linked([allow(paths(pattern))]), { path });
    expect([takes('/a', '/a'), takes('/a', '/a/')]).toEqual([true, false]);
    expect([takes('/a*', '/ab'), takes('*/z', '/y/z'), takes('*', '/')]).toEqual([
      true,
      true,
      true,
    ]);
    expect([takes('/a/{*}/c', '/a/b/c'), takes('/a/{*}/c', '/a/b/x/c')]).toEqual([true, false]);
    expect([takes('/a/{**}', '/a/b/c'), takes('/a/{**}', '/b')]).toEqual([true, false]);
  });

  it('principals of the trust domain count under all its aliases', () => {
    const filter = linked([
      allow({ from: [{ source: { principals: ['cluster.local/ns/a/sa/b'] } }] }),
    ]);
    expect(isDenied(filter, { principal: 'cluster.local/ns/a/sa/b' })).toBe(false);
    expect(isDenied(filter, { principal: 'old.domain/ns/a/sa/b' })).toBe(false);
    expect(isDenied(filter, { principal: 'evil.domain/ns/a/sa/b' })).toBe(true);
  });

  it('namespaces and service accounts are those of the certificate', () => {
    const near = linked([allow({ from: [{ source: { namespaces: ['front-*'] } }] })]);
    expect(isDenied(near, { principal: 'cluster.local/ns/front-eu/sa/b' })).toBe(false);
    expect(isDenied(near, { principal: 'cluster.local/ns/back/sa/b' })).toBe(true);
    const account = linked([allow({ from: [{ source: { serviceAccounts: ['b'] } }] })]);
    expect(isDenied(account, { principal: 'cluster.local/ns/shop/sa/b' })).toBe(false);
    expect(isDenied(account, { principal: 'cluster.local/ns/other/sa/b' })).toBe(true);
  });

  it('addresses: the peer, and the client before it', () => {
    const peer = linked([allow({ from: [{ source: { ipBlocks: ['10.0.0.0/8'] } }] })]);
    expect(isDenied(peer)).toBe(false);
    expect(isDenied(peer, { ip: '192.0.2.1', remoteIp: '10.0.0.1' })).toBe(true);
    const client = linked([deny({ from: [{ source: { remoteIpBlocks: ['192.0.2.0/24'] } }] })]);
    expect(isDenied(client, { remoteIp: '192.0.2.7' })).toBe(true);
    expect(isDenied(client, { remoteIp: '192.0.3.7' })).toBe(false);
    const not = linked([allow({ from: [{ source: { notIpBlocks: ['10.1.0.0/16'] } }] })]);
    expect(isDenied(not)).toBe(true);
    expect(isDenied(not, { ip: '10.2.0.1' })).toBe(false);
  });

  it('an address in IPv4-mapped form from a header cannot be judged', () => {
    const blocks = { from: [{ source: { remoteIpBlocks: ['192.0.2.0/24'] } }] };
    const given = { remoteIp: '::ffff:192.0.2.7' };
    expect(isDenied(linked([deny(blocks)]), given)).toBe(true);
    expect(isDenied(linked([allow(blocks)]), given)).toBe(true);
  });

  it('claims: texts and lists, nested; scope and permission are split at spaces', () => {
    const identity = {
      principal: 'i/s',
      issuer: 'i',
      subject: 's',
      claims: { groups: ['dev', 'ops'], scope: 'read write', nested: { role: 'admin' }, n: 5 },
    };
    const has = (key: string, value: string): boolean =>
      !isDenied(linked([allow(when(key, [value]))]), { identity });
    expect(has('request.auth.claims[groups]', 'ops')).toBe(true);
    expect(has('request.auth.claims[scope]', 'write')).toBe(true);
    expect(has('request.auth.claims[nested][role]', 'admin')).toBe(true);
    expect(has('request.auth.claims[n]', '5')).toBe(false);
    expect(has('request.auth.claims[constructor]', '*')).toBe(false);
  });

  it('destination.ip is judged only where the workload has one address', () => {
    const rule = when('destination.ip', ['10.0.0.1']);
    expect(isDenied(linked([allow(rule)], ['10.0.0.1']))).toBe(false);
    expect(isDenied(linked([allow(rule)], ['10.0.0.1', '10.0.0.2']))).toBe(true);
    expect(isDenied(linked([deny(rule)], ['10.0.0.1', '10.0.0.2']))).toBe(true);
  });

  it('what only Envoy knows can never be judged', () => {
    const rule = when('experimental.envoy.filters.network.mysql[db.table]', ['[update]']);
    expect(isDenied(linked([allow(rule)]))).toBe(true);
    expect(isDenied(linked([deny(rule)]))).toBe(true);
  });
});
