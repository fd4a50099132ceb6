import { describe, expect, it } from 'vitest';
import { createFakeHost } from '../../host/fake-host.ts';
import type { CallAnswer } from '../../host/host.ts';
import { RequestHeaderList, ResponseHeaderList } from '../../lib/header-list.ts';
import type { AuthorizationPolicySpec, Resource } from '../../model/api.ts';
import type { BodyStart, Exchange, LocalReply } from '../../model/exchange.ts';
import type { Authorizer, HttpAuthorizer } from '../../model/authorizer.ts';
import type { ClusterCall, Filter } from '../../model/policy.ts';
import type { MeshSettings } from '../../model/snapshot.ts';
import { customCompiler } from './custom-compile.ts';
import { customFilter } from './custom-filter.ts';

const mesh = { trustDomain: 'cluster.local', trustDomainAliases: [] } as unknown as MeshSettings;

const authorizer: HttpAuthorizer = {
  kind: 'http',
  service: 'checker.test',
  port: 8000,
  timeoutMs: 600_000,
  pathPrefix: '',
  failOpen: false,
  statusOnError: 403,
  clearRouteCache: false,
  requestHeaders: [],
  additionalHeaders: [],
  upstreamOnAllow: [],
  downstreamOnAllow: [],
  downstreamOnDeny: [],
};

function custom(name: string, provider = 'checker'): Resource<AuthorizationPolicySpec> {
  return {
    group: 'security.istio.io',
    version: 'v1',
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace: 'shop' },
    spec: {
      action: 'CUSTOM',
      provider: { name: provider },
      rules: [{ to: [{ operation: { paths: ['/asked*'] } }] }],
    },
  };
}

interface Around {
  readonly policies?: readonly Resource<AuthorizationPolicySpec>[];
  readonly providers?: Readonly<Record<string, Authorizer>>;
  readonly isKnown?: boolean;
  readonly answer?: Partial<CallAnswer>;
}

interface Asked {
  readonly filter: Filter;
  readonly calls: { readonly cluster: string; readonly call: ClusterCall }[];
  readonly findings: readonly string[];
}

function asked(fields: Partial<HttpAuthorizer> = {}, around: Around = {}): Asked {
  const providers = around.providers ?? { checker: { ...authorizer, ...fields } };
  const compiled = customCompiler.compileWorkload?.({
    mesh,
    requestAuthentications: [],
    authorizationPolicies: around.policies ?? [custom('ask')],
    workloadAddresses: [],
    authorizer: (name) => providers[name],
    callable: (host, port) => (around.isKnown === false ? undefined : `outbound|${port}||${host}`),
    origin: ({ kind }, path) => ({ resource: kind, path }),
  });
  const calls: Asked['calls'] = [];
  const { answer } = around;
  const filter = customFilter.link(JSON.parse(JSON.stringify(compiled?.filter?.config)), {
    host: createFakeHost(),
    slot: 0,
    mesh,
    keys: () => undefined,
    refreshKeys: () => Promise.resolve(),
    call: (cluster, call) => {
      calls.push({ cluster, call });
      return answer === undefined
        ? Promise.reject(new Error('nobody can be reached'))
        : Promise.resolve({ status: 200, headers: [], body: new Uint8Array(0), ...answer });
    },
  });
  return { filter, calls, findings: compiled?.diagnostics.map(({ message }) => message) ?? [] };
}

function exchange(
  path = '/asked/x',
  headers: readonly (readonly [string, string])[] = [],
  readBody?: (maxBytes: number) => Promise<BodyStart>,
): Exchange {
  const line = { method: 'POST', scheme: 'http', authority: 'shop.test', target: path } as const;
  return {
    ...line,
    request: new RequestHeaderList(line, headers),
    response: new ResponseHeaderList(200, []),
    peer: { ip: '192.0.2.1' },
    host: 'shop.test',
    path,
    query: '?q=1',
    slots: [],
    readBody,
    decidedBy: '',
    trace: undefined,
  } as unknown as Exchange;
}

const replyTo = async ({ filter }: Asked, x = exchange()): Promise<LocalReply | undefined> =>
  (await filter.request?.(x)) ?? undefined;

describe('what is asked', () => {
  it('is what a policy matches, and nothing else', async () => {
    const all = asked({}, { answer: {} });
    expect(await replyTo(all, exchange('/free'))).toBeUndefined();
    expect(all.calls).toEqual([]);
    expect(await replyTo(all)).toBeUndefined();
    expect(all.calls).toHaveLength(1);
    expect(all.calls[0]?.cluster).toBe('outbound|8000||checker.test');
  });

  it('names method, path behind the prefix, host, authorization and the headers that are listed', async () => {
    const all = asked(
      {
        pathPrefix: '/check',
        requestHeaders: ['x-a', 'x-tenant-*'],
        additionalHeaders: [['x-from', 'mesh']],
      },
      { answer: {} },
    );
    const headers = [
      ['authorization', 'Bearer t'],
      ['cookie', 'c=1'],
      ['x-a', '1'],
      ['x-a', '2'],
      ['x-tenant-id', '7'],
      ['x-from', 'client'],
    ] as const;
    await replyTo(all, exchange('/asked', headers));
    expect(all.calls[0]?.call).toMatchObject({
      method: 'POST',
      authority: 'shop.test',
      target: '/check/asked?q=1',
      timeoutMs: 600_000,
      headers: [
        ['authorization', 'Bearer t'],
        ['x-a', '1'],
        ['x-a', '2'],
        ['x-tenant-id', '7'],
        ['x-from', 'mesh'],
      ],
    });
    expect(all.calls[0]?.call).not.toHaveProperty('body');
  });

  it('holds the body up to its bound; a larger one is refused, or cut off where that is allowed', async () => {
    const read =
      (isWhole: boolean) =>
      (maxBytes: number): Promise<BodyStart> =>
        Promise.resolve({ bytes: new Uint8Array(maxBytes), isWhole });
    const body = { maxBytes: 4, allowPartial: false, asBytes: false };
    const whole = asked({ body }, { answer: {} });
    expect(await replyTo(whole, exchange('/asked', [], read(true)))).toBeUndefined();
    expect(whole.calls[0]?.call.body).toHaveLength(4);
    const large = asked({ body }, { answer: {} });
    expect(await replyTo(large, exchange('/asked', [], read(false)))).toMatchObject({
      status: 413,
      details: 'ext_authz_body_too_large',
    });
    expect(large.calls).toEqual([]);
    const cut = asked({ body: { ...body, allowPartial: true } }, { answer: {} });
    expect(await replyTo(cut, exchange('/asked', [], read(false)))).toBeUndefined();
    expect(cut.calls[0]?.call.headers).toContainEqual(['x-envoy-auth-partial-body', 'true']);
    const none = asked({ body }, { answer: {} });
    expect(await replyTo(none)).toBeUndefined();
    expect(none.calls[0]?.call.body).toHaveLength(0);
  });
});

describe('an answer that allows', () => {
  it('writes the listed headers over the request and onto the response', async () => {
    const headers = [
      ['x-user', 'ann'],
      ['x-secret', 's'],
      ['set-cookie', 'a=1'],
    ] as const;
    const all = asked(
      { upstreamOnAllow: ['x-user'], downstreamOnAllow: ['set-cookie'] },
      { answer: { headers } },
    );
    const x = exchange('/asked', [['x-user', 'forged']]);
    expect(await replyTo(all, x)).toBeUndefined();
    expect(x.request.getAll('x-user')).toEqual(['ann']);
    expect(x.request.has('x-secret')).toBe(false);
    all.filter.response?.(x);
    expect(x.response?.get('set-cookie')).toBe('a=1');
    expect(x.response?.has('x-user')).toBe(false);
  });
});

describe('an answer that refuses', () => {
  const body = new TextEncoder().encode('log in first');
  const answer: Partial<CallAnswer> = {
    status: 401,
    body,
    headers: [
      ['www-authenticate', 'Basic'],
      ['x-why', 'no session'],
      ['connection', 'close'],
    ],
  };

  it('reaches the client with status, body and headers, those of the connection left out', async () => {
    const x = exchange();
    expect(await replyTo(asked({}, { answer }), x)).toEqual({
      status: 401,
      body,
      headers: [
        ['www-authenticate', 'Basic'],
        ['x-why', 'no session'],
      ],
      flag: 'UAEX',
      details: 'ext_authz_denied',
    });
    expect(x.decidedBy).toBe('shop/ask');
  });

  it('shows only listed headers where a list is given, and what a client can not do without', async () => {
    const reply = await replyTo(asked({ downstreamOnDeny: ['x-other'] }, { answer }));
    expect(reply?.headers).toEqual([['www-authenticate', 'Basic']]);
  });

  it('is any status but 200; above 500 it is a failure', async () => {
    expect((await replyTo(asked({}, { answer: { status: 204 } })))?.details).toBe(
      'ext_authz_denied',
    );
    expect((await replyTo(asked({}, { answer: { status: 302 } })))?.status).toBe(302);
    expect((await replyTo(asked({}, { answer: { status: 503 } })))?.details).toBe(
      'ext_authz_error',
    );
  });
});

describe('no answer', () => {
  it('refuses with statusOnError and nothing more', async () => {
    expect(await replyTo(asked())).toEqual({
      status: 403,
      body: '',
      headers: [],
      flag: 'UAEX',
      details: 'ext_authz_error',
    });
    expect((await replyTo(asked({ statusOnError: 503 })))?.status).toBe(503);
  });

  it('lets pass under failOpen', async () => {
    expect(await replyTo(asked({ failOpen: true }))).toBeUndefined();
    expect(await replyTo(asked({ failOpen: true }, { answer: { status: 500 } }))).toBeUndefined();
  });
});

describe('nobody can be asked', () => {
  const refusals: [string, Around][] = [
    ['the provider is missing', { providers: {} }],
    ['it is unusable', { providers: { checker: { kind: 'unusable', reason: 'port 0' } } }],
    ['its service is unknown', { isKnown: false }],
    [
      'there are two of them',
      {
        policies: [custom('one'), custom('two', 'other')],
        providers: { checker: { ...authorizer, failOpen: true }, other: authorizer },
      },
    ],
  ];

  it.each(refusals)('%s: what matches is refused, and a finding says so', async (_, around) => {
    const all = asked({}, around);
    expect(await replyTo(all)).toMatchObject({ status: 403, body: 'RBAC: access denied' });
    expect(await replyTo(all, exchange('/free'))).toBeUndefined();
    expect(all.findings[0]).toContain('nobody can be asked');
    expect(all.filter.connection?.(exchange())).toBe(false);
  });

  it('connections are left alone where somebody can', () => {
    expect(asked().filter.connection?.(exchange())).toBe(true);
  });
});
