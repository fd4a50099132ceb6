import { describe, expect, it } from 'vitest';
import { createFakeHost } from '../../host/fake-host.ts';
import { RequestHeaderList, ResponseHeaderList } from '../../lib/header-list.ts';
import type { Exchange } from '../../model/exchange.ts';
import type { Filter } from '../../model/policy.ts';
import type { MeshSettings } from '../../model/snapshot.ts';
import { headersCompiler } from './compile.ts';
import { headersFilter } from './filter.ts';
import type { HeadersPart } from './schema.ts';
import { TemplateError, parseTemplate } from './template.ts';

const mesh = {} as MeshSettings;

function linked(part: HeadersPart): Filter {
  const compiled = headersCompiler.compilePart?.(part, { policy: 'edge/heads', mesh });
  return headersFilter.link(JSON.parse(JSON.stringify(compiled?.config)), {
    host: createFakeHost(),
    slot: 0,
    mesh,
    keys: () => undefined,
    refreshKeys: () => Promise.resolve(),
    call: () => Promise.reject(new Error('asks nobody')),
  });
}

const CLAIMS = {
  sub: 'ann',
  'https://a.test/role': 'admin',
  org: { name: 'Överby', size: 7 },
  groups: ['a', 'b', { c: 1 }],
  broken: 'x\r\ny: z\0',
  long: 'x'.repeat(5000),
  empty: '',
  nothing: null,
};

function exchange(
  fields: readonly (readonly [string, string])[] = [],
  more: object = {},
): Exchange {
  const line = {
    method: 'GET',
    scheme: 'https',
    authority: 'shop.test:8443',
    target: '/a?b=c',
  } as const;
  return {
    ...line,
    request: new RequestHeaderList(line, fields),
    response: new ResponseHeaderList(201, [['x-upstream', 'u']]),
    peer: { ip: '192.0.2.7', country: 'FI', principal: 'cluster.local/ns/a/sa/b' },
    remoteIp: '192.0.2.7',
    host: 'shop.test',
    path: '/a',
    query: '?b=c',
    requestId: 'r1',
    traceId: 't1',
    route: { name: 'main' },
    identity: { issuer: 'https://i.test', subject: 'ann', claims: CLAIMS },
    trace: [],
    ...more,
  } as unknown as Exchange;
}

/** What a template comes to as a header that is set. */
function rendered(template: string, x = exchange([['x-id', '7']])): string | undefined {
  void linked({ request: { set: { 'x-out': template } } }).request?.(x);
  return x.request.get('x-out');
}

describe('values', () => {
  it.each([
    ['plain', 'plain'],
    ['${request.header.X-Id}', '7'],
    ['a-${request.header.x-id}-${request.id}', 'a-7-r1'],
    [
      '${request.method} ${request.scheme} ${request.host} ${request.path} ${request.query}',
      'GET https shop.test /a b=c',
    ],
    ['${client.ip} ${client.country} ${source.principal}', '192.0.2.7 FI cluster.local/ns/a/sa/b'],
    ['${route.name} ${trace.id} ${jwt.issuer} ${jwt.subject}', 'main t1 https://i.test ann'],
    ['${jwt.claims.sub}', 'ann'],
    ['${jwt.claims[https://a.test/role]}', 'admin'],
    ['${jwt.claims.org.name}', '%C3%96verby'],
    ['${jwt.claims.org[size]}', '7'],
    ['${jwt.claims.groups}', 'a,b'],
    ['$${request.id}', '${request.id}'],
    ['$ $$ {} $x', '$ $$ {} $x'],
    ['${request.header.none|some default}', 'some default'],
    ['${request.header.none|}x', 'x'],
    ['${jwt.claims.empty|none}', 'none'],
  ])('%s is %s', (template, expected) => {
    expect(rendered(template)).toBe(expected);
  });

  it.each([
    '${request.header.none}',
    'a ${jwt.claims.none} b',
    '${jwt.claims.sub.deeper}',
    '${jwt.claims.org}',
    '${jwt.claims.nothing}',
    '${jwt.claims.toString}',
    '${jwt.claims.long}',
    '${request.header.none|}',
  ])('%s has no value', (template) => {
    expect(rendered(template)).toBeUndefined();
  });

  it('never end the field, whoever wrote them', () => {
    expect(rendered('${jwt.claims.broken}')).toBe('xy: z');
    expect(rendered('${request.header.x-id}', exchange([['x-id', 'a\r\nset-cookie: b']]))).toBe(
      'aset-cookie: b',
    );
  });

  it('of the country are those of the client, not of a trusted hop', () => {
    const behind = exchange([], { remoteIp: '198.51.100.1' });
    expect(rendered('${client.country|?}', behind)).toBe('?');
  });

  it('of a response are there for responses', () => {
    const x = exchange();
    linked({
      response: { set: { 'x-out': '${response.status} ${response.header.x-upstream}' } },
    }).response?.(x);
    expect(x.response?.get('x-out')).toBe('201 u');
  });

  it.each([
    ['${nope}', 2, 'no name of a value'],
    ['ab ${reqest.id}', 5, 'did you mean request.id?'],
    ['${request.headers.x}', 2, 'did you mean request.header.x?'],
    ['${jwt.claim.sub}', 2, 'did you mean jwt.claims.sub?'],
    ['${request.header.a b}', 2, 'no name'],
    ['${}', 2, 'no name'],
    ['x${request.id', 1, 'has no "}"'],
    ['a\nb', 1, 'U+000A'],
    ['${request.id|ä}', 13, 'U+00E4'],
  ])('%j are refused at %i', (template, at, message) => {
    let caught: unknown;
    try {
      parseTemplate(template);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(TemplateError);
    expect((caught as TemplateError).at).toBe(at);
    expect((caught as TemplateError).message).toContain(message);
  });
});

describe('edits', () => {
  it('set without a value removes what the caller wrote, add then adds nothing', () => {
    const x = exchange([
      ['x-user', 'root'],
      ['x-tag', 'a'],
    ]);
    void linked({
      request: { set: { 'x-user': '${jwt.claims.none}' }, add: { 'x-tag': '${jwt.claims.none}' } },
    }).request?.(x);
    expect(x.request.has('x-user')).toBe(false);
    expect(x.request.getAll('x-tag')).toEqual(['a']);
    expect(x.trace?.[0]).toMatchObject({
      name: 'edge/heads',
      detail: 'headers of the request; without value: x-user, x-tag',
      origin: { resource: 'Policy edge/heads', path: 'spec.headers.request' },
    });
  });

  it('read every value before the first edit, whatever their names', () => {
    const x = exchange([
      ['a', '1'],
      ['b', '2'],
      ['gone', '3'],
    ]);
    void linked({
      request: {
        set: { A: '${request.header.b}', b: '${request.header.a}' },
        add: { c: '${request.header.gone}', d: 'x' },
        remove: ['Gone'],
      },
    }).request?.(x);
    expect(['a', 'b', 'c', 'd', 'gone'].map((name) => x.request.get(name))).toEqual([
      '2',
      '1',
      '3',
      'x',
      undefined,
    ]);
  });

  it('leave an untouched head untouched', () => {
    const x = exchange();
    void linked({ request: { remove: ['x-none'] }, response: { remove: ['x-none'] } }).request?.(x);
    expect([x.request.editCount, x.response?.getAll('x-upstream')]).toEqual([0, ['u']]);
  });
});
