import { describe, expect, it } from 'vitest';
import { createFakeHost } from '../../host/fake-host.ts';
import { RequestHeaderList } from '../../lib/header-list.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Peer } from '../../model/identity.ts';
import type { Filter } from '../../model/policy.ts';
import type { MeshSettings } from '../../model/snapshot.ts';
import { accessCompiler } from './compile.ts';
import { accessFilter } from './filter.ts';
import type { AccessPart, AccessPartRule } from './schema.ts';

const mesh = {} as MeshSettings;

function linked(part: AccessPart): Filter {
  const compiled = accessCompiler.compilePart?.(part, { policy: 'edge/gate', mesh });
  return accessFilter.link(JSON.parse(JSON.stringify(compiled?.config)), {
    host: createFakeHost(),
    slot: 0,
    mesh,
    keys: () => undefined,
    refreshKeys: () => Promise.resolve(),
    call: () => Promise.reject(new Error('asks nobody')),
  });
}

interface Asked {
  readonly path?: string;
  readonly host?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly peer?: Partial<Peer>;
  readonly remoteIp?: string;
  readonly joinsRepeated?: boolean;
}

function exchange({ path = '/', host = 'shop.test', ...asked }: Asked): Exchange {
  const line = { method: 'GET', scheme: 'http', authority: host, target: path } as const;
  const request = new RequestHeaderList(line, asked.headers ?? []);
  if (asked.joinsRepeated === true) Object.assign(request, { joinsRepeated: true });
  const peer = { ip: '192.0.2.7', ...asked.peer };
  return {
    request,
    peer,
    remoteIp: asked.remoteIp ?? peer.ip,
    host,
    path,
    decidedBy: '',
    trace: [],
  } as unknown as Exchange;
}

const reply = (filter: Filter, x: Exchange): LocalReply | undefined =>
  filter.request?.(x) as LocalReply | undefined;

/** Is it refused with the rule under deny; does it pass with the rule under allow? */
function judged(rule: AccessPartRule, asked: Asked): 'matches' | 'not' | 'undecidable' {
  const denied = reply(linked({ deny: [rule] }), exchange(asked)) !== undefined;
  const allowed = reply(linked({ allow: [rule] }), exchange(asked)) === undefined;
  if (denied === allowed) return denied ? 'matches' : 'not';
  // Deny takes it, allow doesn't; the other way round nothing may ever be.
  expect([denied, allowed]).toEqual([true, false]);
  return 'undecidable';
}

describe('a rule', () => {
  it.each<[string, AccessPartRule, Asked, ReturnType<typeof judged>]>([
    ['block', { cidrs: ['192.0.2.0/24'] }, {}, 'matches'],
    ['another block', { cidrs: ['10.0.0.0/8', '2001:db8::/32'] }, {}, 'not'],
    ['IPv6', { cidrs: ['2001:db8::/32'] }, { peer: { ip: '2001:db8::7' } }, 'matches'],
    ['client behind a hop', { cidrs: ['192.0.2.0/24'] }, { remoteIp: '198.51.100.1' }, 'not'],
    ['no address', { cidrs: ['192.0.2.0/24'] }, { peer: { ip: 'unix' } }, 'undecidable'],
    ['country', { countries: ['FI', 'SE'] }, { peer: { country: 'SE' } }, 'matches'],
    ['another country', { countries: ['FI'] }, { peer: { country: 'SE' } }, 'not'],
    ['no country', { countries: ['FI'] }, {}, 'undecidable'],
    [
      'country of a hop',
      { countries: ['FI'] },
      { peer: { country: 'SE' }, remoteIp: '198.51.100.1' },
      'undecidable',
    ],
    ['host', { hosts: ['Shop.test'] }, {}, 'matches'],
    ['another host', { hosts: ['shop.test'] }, { host: 'a.shop.test' }, 'not'],
    ['wildcard', { hosts: ['*.test'] }, { host: 'a.shop.test' }, 'matches'],
    ['wildcard itself', { hosts: ['*.shop.test'] }, {}, 'not'],
    ['wildcard beside', { hosts: ['*.shop.test'] }, { host: 'a.myshop.test' }, 'not'],
    ['final dot', { hosts: ['shop.test'] }, { host: 'shop.test.' }, 'undecidable'],
    ['exact path', { paths: [{ exact: '/a' }] }, { path: '/a' }, 'matches'],
    ['longer path', { paths: [{ exact: '/a' }] }, { path: '/a/b' }, 'not'],
    ['prefix itself', { paths: [{ prefix: '/a/' }] }, { path: '/a' }, 'matches'],
    ['below the prefix', { paths: [{ prefix: '/a' }] }, { path: '/a/b' }, 'matches'],
    ['half a segment', { paths: [{ prefix: '/a' }] }, { path: '/ab' }, 'not'],
    ['every path', { paths: [{ prefix: '/' }] }, { path: '/ab' }, 'matches'],
    ['suffix', { paths: [{ suffix: '.php' }] }, { path: '/x/y.php' }, 'matches'],
    ['one of several', { paths: [{ exact: '/b' }, { suffix: 'c' }] }, { path: '/abc' }, 'matches'],
    ['parameters', { paths: [{ exact: '/a' }] }, { path: '/a;x=1' }, 'undecidable'],
    ['slashes', { paths: [{ prefix: '/a' }] }, { path: '//a' }, 'undecidable'],
    ['out of it', { paths: [{ prefix: '/a' }] }, { path: '/a/..%2fb' }, 'undecidable'],
    ['both readings', { paths: [{ prefix: '/a' }] }, { path: '/a//b' }, 'matches'],
    ['header', { headers: [{ name: 'X-A', exact: '1' }] }, { headers: [['x-a', '1']] }, 'matches'],
    [
      'other value',
      { headers: [{ name: 'x-a', exact: '1' }] },
      { headers: [['x-a', '11']] },
      'not',
    ],
    ['absent', { headers: [{ name: 'x-a', exact: '1' }] }, {}, 'not'],
    [
      'prefix',
      { headers: [{ name: 'x-a', prefix: '1' }] },
      { headers: [['x-a', '11']] },
      'matches',
    ],
    ['there', { headers: [{ name: 'x-a', present: true }] }, { headers: [['x-a', '']] }, 'matches'],
    ['not there', { headers: [{ name: 'x-a', present: false }] }, {}, 'matches'],
    [
      'repeats',
      { headers: [{ name: 'x-a', exact: '1' }] },
      {
        headers: [
          ['x-a', '0'],
          ['x-a', '1'],
        ],
      },
      'undecidable',
    ],
    [
      'joined repeats',
      { headers: [{ name: 'x-a', exact: '1' }] },
      { headers: [['x-a', '0, 1']], joinsRepeated: true },
      'undecidable',
    ],
    [
      'all fields',
      { cidrs: ['192.0.2.0/24'], hosts: ['shop.test'], paths: [{ exact: '/' }] },
      {},
      'matches',
    ],
    ['one that fails', { cidrs: ['192.0.2.0/24'], hosts: ['other.test'] }, {}, 'not'],
    ['one that fails beside one unknown', { countries: ['FI'], hosts: ['other.test'] }, {}, 'not'],
    ['one unknown', { countries: ['FI'], hosts: ['shop.test'] }, {}, 'undecidable'],
    [
      'all headers',
      {
        headers: [
          { name: 'a', present: true },
          { name: 'b', present: true },
        ],
      },
      { headers: [['a', '1']] },
      'not',
    ],
  ])('%s', (_name, rule, asked, expected) => {
    expect(judged(rule, asked)).toBe(expected);
  });
});

describe('lists', () => {
  const office = { cidrs: ['192.0.2.0/24'] };
  const admin = { paths: [{ prefix: '/admin' }] };

  it('deny goes before allow, and says which rule it was', () => {
    const filter = linked({ deny: [{ hosts: ['x.test'] }, admin], allow: [office] });
    const x = exchange({ path: '/admin' });
    expect(reply(filter, x)).toEqual({
      status: 403,
      body: 'access denied',
      headers: [['content-type', 'text/plain']],
      flag: '',
      details: 'access_denied_matched_rule[edge/gate deny[1]]',
    });
    expect(x.decidedBy).toBe('edge/gate');
    expect(x.trace).toEqual([
      {
        step: 'policy',
        name: 'edge/gate',
        outcome: 'denied',
        detail: 'access deny[1] matches',
        origin: { resource: 'Policy edge/gate', path: 'spec.access.deny[1]' },
      },
    ]);
  });

  it('with allow, what no rule of it matches is refused', () => {
    const filter = linked({ allow: [{ hosts: ['x.test'] }, office] });
    const inside = exchange({});
    expect(reply(filter, inside)).toBeUndefined();
    expect(inside.trace?.[0]).toMatchObject({
      outcome: 'passed',
      detail: 'access allow[1] matches',
    });
    const outside = exchange({ peer: { ip: '198.51.100.1' } });
    expect(reply(filter, outside)?.details).toBe('access_denied_no_rule[edge/gate]');
  });

  it('an empty allow lets nobody in, deny alone everybody else', () => {
    expect(reply(linked({ allow: [] }), exchange({}))?.status).toBe(403);
    expect(reply(linked({ deny: [admin] }), exchange({}))).toBeUndefined();
  });

  it('find an address among ten thousand blocks', () => {
    const cidrs = Array.from({ length: 10_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/25`);
    const filter = linked({ deny: [{ cidrs }] });
    expect(reply(filter, exchange({ peer: { ip: '10.17.3.127' } }))?.status).toBe(403);
    expect(reply(filter, exchange({ peer: { ip: '10.17.3.128' } }))).toBeUndefined();
  });
});

describe('a connection that is not HTTP', () => {
  const passes = (part: AccessPart, asked: Asked = {}): boolean | undefined => {
    const x = Object.assign(exchange(asked), { details: '' });
    const answer = linked(part).connection?.(x);
    if (answer instanceof Promise) throw new Error('nobody has to be waited for');
    expect(x.details === '').toBe(answer);
    return answer;
  };

  it('is judged by address and country', () => {
    expect(passes({ deny: [{ cidrs: ['192.0.2.0/24'] }] })).toBe(false);
    expect(passes({ deny: [{ cidrs: ['10.0.0.0/8'] }] })).toBe(true);
    expect(passes({ allow: [{ countries: ['FI'] }] }, { peer: { country: 'FI' } })).toBe(true);
  });

  it('can not be judged by what only requests have', () => {
    const paths = [{ exact: '/' }];
    expect(passes({ deny: [{ paths }] })).toBe(false);
    expect(passes({ allow: [{ paths }] })).toBe(false);
    expect(passes({ deny: [{ paths, cidrs: ['10.0.0.0/8'] }] })).toBe(true);
  });
});
