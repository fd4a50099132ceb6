import { describe, expect, it } from 'vitest';
import { createFakeHost } from '../../host/fake-host.ts';
import { RequestHeaderList, ResponseHeaderList } from '../../lib/header-list.ts';
import type { CorsPolicySpec, HttpRoute, Resource } from '../../model/api.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter } from '../../model/policy.ts';
import type { MeshSettings } from '../../model/snapshot.ts';
import { corsCompiler } from './compile.ts';
import { corsFilter } from './filter.ts';

const compiled = (route: HttpRoute): unknown =>
  corsCompiler.compileRoute?.({ route, resource: {} as Resource, path: 'spec.http[0]' }).filter
    ?.config;

function linked(corsPolicy: CorsPolicySpec): Filter {
  return corsFilter.link(JSON.parse(JSON.stringify(compiled({ corsPolicy }))), {
    host: createFakeHost(),
    slot: 1,
    mesh: {} as MeshSettings,
    keys: () => undefined,
    refreshKeys: () => Promise.resolve(),
    call: () => Promise.reject(new Error('nobody can be reached')),
  });
}

const full: CorsPolicySpec = {
  allowOrigins: [
    { exact: 'https://a.test' },
    { prefix: 'https://b.' },
    { regex: 'https://c[0-9]' },
  ],
  allowMethods: ['GET', 'PUT'],
  allowHeaders: ['x-one', 'x-two'],
  exposeHeaders: ['x-out'],
  maxAge: '24h',
  allowCredentials: true,
};

function exchange(method: string, headers: Readonly<Record<string, string>>): Exchange {
  const line = { method, scheme: 'https', authority: 'shop.test', target: '/' } as const;
  return {
    ...line,
    request: new RequestHeaderList(line, Object.entries(headers)),
    response: new ResponseHeaderList(200, [['access-control-allow-origin', '*']]),
    slots: [],
  } as unknown as Exchange;
}

const preflight = (origin: string, more: Readonly<Record<string, string>> = {}): Exchange =>
  exchange('OPTIONS', { origin, 'access-control-request-method': 'PUT', ...more });

describe('preflight', () => {
  it('of an allowed origin is answered here, with all that the policy says', () => {
    const reply = linked(full).request?.(preflight('https://a.test')) as LocalReply;
    expect([reply.status, reply.body, reply.flag, reply.details]).toEqual([
      200,
      '',
      '',
      'cors_preflight',
    ]);
    expect(Object.fromEntries(reply.headers)).toEqual({
      'access-control-allow-origin': 'https://a.test',
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET,PUT',
      'access-control-allow-headers': 'x-one,x-two',
      'access-control-expose-headers': 'x-out',
      'access-control-max-age': '86400',
    });
  });

  it('knows origins by exact text, prefix and whole-text regex', () => {
    const takes = (origin: string): boolean =>
      linked(full).request?.(preflight(origin)) !== undefined;
    expect(['https://b.test', 'https://c7'].map(takes)).toEqual([true, true]);
    const others = [
      'https://a.test.evil',
      'http://a.test',
      'https://c77',
      'null',
      'https://A.test',
    ];
    expect(others.map(takes)).toEqual(others.map(() => false));
  });

  it('of another origin goes to the service, or is answered without permission', () => {
    expect(linked(full).request?.(preflight('https://z.test'))).toBeUndefined();
    const strict = linked({ ...full, unmatchedPreflights: 'IGNORE' });
    expect(strict.request?.(preflight('https://z.test'))).toMatchObject({
      status: 200,
      headers: [],
    });
  });

  it('echoes what was asked for under a star', () => {
    const any = linked({
      allowOrigins: [{ exact: '*' }],
      allowMethods: ['*'],
      allowHeaders: ['*'],
      allowCredentials: true,
    });
    const headersOf = (x: Exchange): Record<string, string> => {
      const reply = any.request?.(x) as LocalReply | undefined;
      return Object.fromEntries(reply?.headers ?? []);
    };
    expect(
      headersOf(preflight('https://z.test', { 'access-control-request-headers': 'x-q' })),
    ).toEqual({
      'access-control-allow-origin': 'https://z.test',
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'PUT',
      'access-control-allow-headers': 'x-q',
    });
    expect(headersOf(preflight('https://z.test'))).not.toHaveProperty(
      'access-control-allow-headers',
    );
  });

  it('without its asking header is an ordinary OPTIONS', () => {
    const x = exchange('OPTIONS', { origin: 'https://a.test' });
    expect(linked(full).request?.(x)).toBeUndefined();
  });
});

describe('an actual request', () => {
  it('of an allowed origin goes on, and its response names that origin instead of what is there', () => {
    const filter = linked(full);
    const x = exchange('GET', { origin: 'https://a.test' });
    expect(filter.request?.(x)).toBeUndefined();
    filter.response?.(x);
    expect(x.response?.getAll('access-control-allow-origin')).toEqual(['https://a.test']);
    expect(x.response?.get('access-control-allow-credentials')).toBe('true');
    expect(x.response?.get('access-control-expose-headers')).toBe('x-out');
  });

  it('of another origin or of none goes on, and its response stays as it is', () => {
    const filter = linked(full);
    for (const headers of [{ origin: 'https://z.test' }, {}]) {
      const x = exchange('GET', headers);
      expect(filter.request?.(x)).toBeUndefined();
      filter.response?.(x);
      expect(x.response?.editCount).toBe(0);
    }
  });
});

describe('compile', () => {
  it('leaves out redirects and direct responses, as Istio does', () => {
    expect(compiled({ corsPolicy: full, redirect: { uri: '/x' } })).toBeUndefined();
    expect(compiled({ corsPolicy: full, directResponse: { status: 200 } })).toBeUndefined();
    expect(compiled({})).toBeUndefined();
  });
});
