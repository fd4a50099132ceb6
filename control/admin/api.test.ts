import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestControl } from '../../test/fixtures/control.ts';
import { serviceEntry, startTestControl } from '../../test/fixtures/control.ts';

let control: TestControl;
beforeAll(async () => {
  control = await startTestControl();
});
afterAll(() => control.close());

const entryPath = (name: string): string =>
  `/v1/resources/networking.istio.io/ServiceEntry/default/${name}`;
const apply = (body: string) => control.ask('POST', '/v1/apply', { body });

async function proxyToken(name: string, type = 'gateway'): Promise<string> {
  const made = await control.ask('POST', '/v1/tokens', {
    body: JSON.stringify({
      name,
      role: 'proxy',
      scopes: [{ type, namespace: 'default', name, labels: { app: name } }],
    }),
  });
  return String(made.body['token']);
}

describe('single resources', () => {
  it('creates with PUT, replaces only what was read, and says which revision it is now', async () => {
    const created = await control.ask('PUT', entryPath('put'), { body: serviceEntry('put') });
    expect(created.status).toBe(201);
    const etag = created.headers.get('etag') ?? '';
    const blind = await control.ask('PUT', entryPath('put'), { body: serviceEntry('put', 81) });
    expect(blind.status).toBe(428);
    const headers = { 'if-match': etag };
    const replaced = await control.ask('PUT', entryPath('put'), {
      body: serviceEntry('put', 81),
      headers,
    });
    expect(replaced.status).toBe(200);
    const stale = await control.ask('PUT', entryPath('put'), {
      body: serviceEntry('put', 82),
      headers,
    });
    expect(stale.status).toBe(412);
    expect(String(stale.body['detail'])).toContain('revision');
    const twice = await control.ask('PUT', entryPath('put'), {
      body: serviceEntry('put'),
      headers: { 'if-none-match': '*' },
    });
    expect(twice.status).toBe(412);
  });

  it('refuses a body that is of another address', async () => {
    const answer = await control.ask('PUT', entryPath('one'), { body: serviceEntry('other') });
    expect(answer.status).toBe(422);
    expect(String(answer.body['detail'])).toContain('ServiceEntry/default/other');
  });

  it('answers 304 to who has it already', async () => {
    await apply(serviceEntry('known'));
    const { headers } = await control.ask('GET', entryPath('known'));
    const again = await control.ask('GET', entryPath('known'), {
      headers: { 'if-none-match': headers.get('etag') ?? '' },
    });
    expect(again.status).toBe(304);
  });

  it('selects by labels, and says what is wrong with a selector', async () => {
    await apply(serviceEntry('gold', 80, '{tier: gold}'));
    await apply(serviceEntry('tin', 80, '{tier: tin}'));
    const names = async (selector: string): Promise<unknown[]> => {
      const query = new URLSearchParams({ labelSelector: selector }).toString();
      const { body } = await control.ask(
        'GET',
        `/v1/resources/networking.istio.io/ServiceEntry?${query}`,
      );
      return (body['items'] as { metadata: { name: string } }[]).map((item) => item.metadata.name);
    };
    expect(await names('tier=gold')).toEqual(['gold']);
    expect(await names('tier in (gold,tin),tier!=gold')).toEqual(['tin']);
    expect(await names('tier,!other')).toEqual(['gold', 'tin']);
    const bad = await control.ask('GET', '/v1/resources/core/Service?labelSelector=%3D%3D');
    expect(bad.status).toBe(400);
  });
});

describe('status of the Gateway API', () => {
  const API = 'gateway.networking.k8s.io';
  const gateway = `apiVersion: ${API}/v1\nkind: Gateway\nmetadata: {name: edge}\nspec: {gatewayClassName: lateen, listeners: [{name: web, port: 80, protocol: HTTP}, {name: odd, port: 81, protocol: ODD}]}\n`;
  const route = (port: number): string =>
    `apiVersion: ${API}/v1\nkind: HTTPRoute\nmetadata: {name: all}\nspec: {parentRefs: [{name: edge, sectionName: web}], rules: [{backendRefs: [{name: cart, port: ${port}}]}]}\n`;
  const service =
    'apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec: {ports: [{name: http, port: 80}]}\n';
  const statusOf = async (kind: string, name: string): Promise<Record<string, unknown>> => {
    const { body } = await control.ask('GET', `/v1/resources/${API}/${kind}/default/${name}`);
    return body['status'] as Record<string, unknown>;
  };
  interface Judged {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly observedGeneration: number;
    readonly lastTransitionTime: string;
  }

  it('names every listener and parent, each with its conditions and how many routes it has', async () => {
    expect((await apply([gateway, route(80), service].join('---\n'))).status).toBe(200);
    const { listeners, conditions } = await statusOf('Gateway', 'edge');
    expect(listeners).toMatchObject([
      {
        name: 'web',
        attachedRoutes: 1,
        supportedKinds: [{ kind: 'HTTPRoute' }, { kind: 'GRPCRoute' }],
      },
      { name: 'odd', attachedRoutes: 0 },
    ]);
    const accepted = (conditions as Judged[]).find(({ type }) => type === 'Accepted');
    expect(accepted).toMatchObject({ status: 'True', reason: 'ListenersNotValid' });
    const { parents } = await statusOf('HTTPRoute', 'all');
    expect(parents).toMatchObject([{ parentRef: { name: 'edge', sectionName: 'web' } }]);
  });

  it('follows a change, with the generation that it saw and the time since when it is so', async () => {
    const resolved = async (): Promise<Judged | undefined> => {
      const [parent] = (await statusOf('HTTPRoute', 'all'))['parents'] as {
        conditions: Judged[];
      }[];
      return parent?.conditions.find(({ type }) => type === 'ResolvedRefs');
    };
    const before = await resolved();
    expect(before).toMatchObject({ status: 'True', observedGeneration: 1 });
    expect(before?.lastTransitionTime).toMatch(/^\d{4}-\d\d-\d\dT/);
    await apply(route(81));
    expect(await resolved()).toMatchObject({
      status: 'False',
      reason: 'BackendNotFound',
      observedGeneration: 2,
    });
  });

  it('keeps no status that somebody applies', async () => {
    await apply(
      `${gateway}status: {conditions: [{type: Accepted, status: "False", reason: Mine}]}\n`,
    );
    const { body } = await control.ask('GET', `/v1/resources/${API}/Gateway`);
    expect(JSON.stringify(body)).not.toContain('Mine');
  });
});

describe('conditions', () => {
  it('tells unresolved references, what is not enforced, and how many proxies run it', async () => {
    const service = `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: split}\nspec: {hosts: [shown.example.com], http: [{route: [{destination: {host: shown.example.com, subset: none}}]}]}\n`;
    await apply(`${serviceEntry('shown')}---\n${service}`);
    const path = '/v1/resources/networking.istio.io/VirtualService/default/split';
    const conditions = async (): Promise<Record<string, { status: string; message: string }>> => {
      const { body } = await control.ask('GET', path);
      const { conditions: list } = body['status'] as {
        conditions: { type: string; status: string; message: string }[];
      };
      return Object.fromEntries(list.map((condition) => [condition.type, condition]));
    };
    const before = await conditions();
    expect(before['Accepted']?.status).toBe('True');
    expect(before['ResolvedRefs']?.status).toBe('False');
    expect(before['ResolvedRefs']?.message).toContain('IST0101');
    expect(before['Programmed']?.status).toBe('Unknown');

    const token = await proxyToken('client', 'sidecar-outbound');
    const pointer = '/v1/proxies/sidecar-outbound/default/client/pointer';
    const headers = { 'x-lateen-instance': 'one' };
    const { headers: answered } = await control.ask('GET', pointer, { token, headers });
    expect((await conditions())['Programmed']).toMatchObject({
      status: 'False',
      message: '0 of 1 proxy instances that use it run the current configuration',
    });
    const runs = { ...headers, 'if-none-match': answered.get('etag') ?? '' };
    await control.ask('GET', pointer, { token, headers: runs });
    expect((await conditions())['Programmed']?.status).toBe('True');
  });

  it('tells what the runtimes leave out that are attached', async () => {
    let nowMs = Date.now();
    const timed = await startTestControl({ nowMs: () => nowMs });
    const gateway = `apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: raw}\nspec: {selector: {app: raw}, servers: [{port: {number: 9000, name: raw, protocol: TCP}, hosts: ['*']}]}\n`;
    await timed.ask('POST', '/v1/apply', { body: gateway });
    const scopes = [{ type: 'gateway', namespace: 'default', name: 'raw', labels: { app: 'raw' } }];
    const body = JSON.stringify({ name: 'raw', role: 'proxy', scopes });
    const token = String((await timed.ask('POST', '/v1/tokens', { body })).body['token']);
    const enforced = async (): Promise<unknown> => {
      const answer = await timed.ask(
        'GET',
        '/v1/resources/networking.istio.io/Gateway/default/raw',
      );
      const { conditions } = answer.body['status'] as { conditions: { type: string }[] };
      return conditions.find(({ type }) => type === 'Enforced');
    };
    const poll = (instance: string, runtime?: string): Promise<unknown> =>
      timed.ask('GET', '/v1/proxies/gateway/default/raw/pointer', {
        token,
        headers: {
          'x-lateen-instance': instance,
          ...(runtime === undefined ? {} : { 'x-lateen-runtime': runtime }),
        },
      });
    const left = 'spec.servers[0].port.protocol: enforced by Node proxies alone: ';

    const byNode = { status: 'True', reason: 'EnforcedByNodeProxies' };
    expect(await enforced()).toMatchObject(byNode);
    await poll('a', 'node');
    expect(await enforced()).toMatchObject({ status: 'True', reason: 'Enforced', message: '' });
    // One of an older version, or of a runtime that isn't known here.
    await poll('b', 'bun');
    expect(await enforced()).toMatchObject(byNode);
    await poll('c', 'edge');
    expect(await enforced()).toMatchObject({
      status: 'False',
      reason: 'PartiallyEnforced',
      message: expect.stringContaining(
        `1 of 3 proxy instances that use it are gateway workers, which leave out ${left}`,
      ),
    });
    const proxies = await timed.ask('GET', '/v1/proxies');
    expect(proxies.body['items']).toMatchObject([{ instances: 3, runtimes: { edge: 1, node: 1 } }]);
    nowMs += 80_000;
    await poll('c', 'edge');
    nowMs += 80_000;
    expect(await enforced()).toMatchObject({ status: 'False', reason: 'NotEnforced' });
    nowMs += 80_000;
    expect(await enforced()).toMatchObject(byNode);
    await timed.close();
  });

  it('tells of PeerAuthentication too who uses it', async () => {
    const own = await startTestControl();
    const policy = (name: string, spec: string): string =>
      `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: ${name}}\nspec: ${spec}\n---\n`;
    await own.ask('POST', '/v1/apply', {
      body:
        policy('all', '{mtls: {mode: DISABLE}}') +
        policy('some', '{selector: {matchLabels: {app: shop}}, mtls: {mode: DISABLE}}') +
        policy('others', '{selector: {matchLabels: {app: other}}, mtls: {mode: DISABLE}}') +
        serviceEntry('shop'),
    });
    const [type, service] = ['sidecar-inbound', 'shop.example.com'];
    const scopes = [{ type, namespace: 'default', name: 'shop', labels: { app: 'shop' }, service }];
    const made = await own.ask('POST', '/v1/tokens', {
      body: JSON.stringify({ name: 'shop', role: 'proxy', scopes }),
    });
    await own.ask('GET', `/v1/proxies/${type}/default/shop/pointer`, {
      token: String(made.body['token']),
      headers: { 'x-lateen-instance': 'one', 'x-lateen-runtime': 'edge' },
    });
    const reasons = ['all', 'some', 'others'].map(async (name) => {
      const path = `/v1/resources/security.istio.io/PeerAuthentication/default/${name}`;
      const { conditions } = (await own.ask('GET', path)).body['status'] as {
        conditions: { type: string; reason: string }[];
      };
      return conditions.find(({ type: which }) => which === 'Enforced')?.reason;
    });
    expect(await Promise.all(reasons)).toEqual([
      'NotEnforced',
      'NotEnforced',
      'EnforcedByNodeProxies',
    ]);
    await own.close();
  });
});

describe('tokens', () => {
  it('hold for their role and time, and end when they are revoked', async () => {
    const made = await control.ask('POST', '/v1/tokens', {
      body: JSON.stringify({ name: 'reader', role: 'viewer', ttlSeconds: 3600 }),
    });
    const token = String(made.body['token']);
    expect(token).toMatch(/^lat_[0-9a-f]{16}_[0-9a-f]{48}$/);
    expect((await control.ask('GET', '/v1/history', { token })).status).toBe(200);
    const denied = await control.ask('POST', '/v1/apply', { token, body: serviceEntry('no') });
    expect(denied.status).toBe(403);
    const list = await control.ask('GET', '/v1/tokens');
    expect(JSON.stringify(list.body)).toContain('"reader"');
    expect(JSON.stringify(list.body)).not.toContain('hash');
    await control.ask('DELETE', `/v1/tokens/${String(made.body['id'])}`);
    expect((await control.ask('GET', '/v1/history', { token })).status).toBe(401);
  });

  it('says what is wrong with a request for one', async () => {
    const bad = await control.ask('POST', '/v1/tokens', {
      body: JSON.stringify({ name: 'x', role: 'king' }),
    });
    expect(bad.status).toBe(400);
    expect(JSON.stringify(bad.body['errors'])).toContain('/role');
    const proxy = await control.ask('POST', '/v1/tokens', {
      body: JSON.stringify({ name: 'x', role: 'proxy' }),
    });
    expect(String(proxy.body['detail'])).toContain('scopes');
  });

  it('expire', async () => {
    let nowMs = Date.now();
    const timed = await startTestControl({ nowMs: () => nowMs });
    const made = await timed.ask('POST', '/v1/tokens', {
      body: JSON.stringify({ name: 'brief', role: 'viewer', ttlSeconds: 10 }),
    });
    const token = String(made.body['token']);
    expect((await timed.ask('GET', '/v1/history', { token })).status).toBe(200);
    nowMs += 10_000;
    expect((await timed.ask('GET', '/v1/history', { token })).status).toBe(401);
    await timed.close();
  });
});

describe('audit log', () => {
  it('has changes and refusals of known people, and neither reads nor secrets', async () => {
    await apply(
      'apiVersion: v1\nkind: Secret\nmetadata: {name: planted}\nstringData: {key: hunter2}\n',
    );
    const made = await control.ask('POST', '/v1/tokens', {
      body: JSON.stringify({ name: 'eve', role: 'viewer' }),
    });
    await control.ask('GET', '/v1/audit', { token: String(made.body['token']) });
    const { body } = await control.ask('GET', '/v1/audit?limit=3');
    const items = body['items'] as { actor: string; path: string; status: number }[];
    expect(items.map(({ actor, path, status }) => [actor, path, status])).toEqual([
      ['eve', '/v1/audit', 403],
      ['bootstrap', '/v1/tokens', 201],
      ['bootstrap', '/v1/apply', 200],
    ]);
    expect(JSON.stringify(body)).not.toContain('hunter2');
  });
});

describe('explain and analyze', () => {
  it('decide by what is stored, with the resource of each step', async () => {
    const service = `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: asked}\nspec: {hosts: [asked.example.com], http: [{name: gone, match: [{uri: {prefix: /old}}], directResponse: {status: 410}}, {route: [{destination: {host: asked.example.com}}]}]}\n`;
    await apply(`${serviceEntry('asked')}---\n${service}`);
    const ask = (path: string) =>
      control.ask('POST', '/v1/explain', {
        body: JSON.stringify({
          scope: { type: 'sidecar-outbound', namespace: 'default', name: 'c', labels: {} },
          request: { host: 'asked.example.com', path },
        }),
      });
    expect((await ask('/old/x')).body).toMatchObject({
      outcome: 'respond',
      status: 410,
      route: 'gone',
    });
    const forwarded = await ask('/new');
    expect(forwarded.body).toMatchObject({ outcome: 'forward', service: 'asked.example.com' });
    expect(JSON.stringify(forwarded.body['trace'])).toContain('VirtualService default/asked');
    const bad = await control.ask('POST', '/v1/explain', { body: '{"scope":{}}' });
    expect(bad.status).toBe(400);
  });

  it('finds what is wrong with what is stored', async () => {
    await apply(
      `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: lost}\nspec: {hosts: [lost.example.com], http: [{route: [{destination: {host: nowhere.example.com}}]}]}\n`,
    );
    const { body } = await control.ask(
      'GET',
      '/v1/analyze?resource=VirtualService%20default%2Flost',
    );
    expect(JSON.stringify(body['items'])).toContain('IST0101');
  });
});

describe('bad input', () => {
  it('is a problem with its place', async () => {
    const answer = await apply(`${serviceEntry('bad')}  portz: []\n`);
    expect(answer.status).toBe(422);
    const broken = await apply('kind: [\n');
    expect(broken.status).toBe(422);
    expect(JSON.stringify(broken.body)).toContain('"line"');
    const unknown = await apply('apiVersion: example.io/v1\nkind: Ghost\nmetadata: {name: a}\n');
    expect(JSON.stringify(unknown.body)).toContain('Ghost');
  });

  it('is refused when a document or the body is too large', async () => {
    const big = await apply(
      serviceEntry('big').replace('name: big', `name: ${'x'.repeat(1_100_000)}`),
    );
    expect(big.status).toBe(422);
    expect(JSON.stringify(big.body)).toContain('1');
    const huge = await apply('#'.repeat(17 * 1024 * 1024));
    expect(huge.status).toBe(413);
  });

  it('keeps out more resources than this home holds, whole', async () => {
    const small = await startTestControl({ maxResources: 3 });
    const documents = ['a', 'b', 'c', 'd'].map((name) => serviceEntry(name));
    const answer = await small.ask('POST', '/v1/apply', { body: documents.join('---\n') });
    expect(answer.status).toBe(413);
    expect(String(answer.body['detail'])).toContain('at most 3');
    expect((await small.ask('GET', entryPath('a'))).status).toBe(404);
    await small.close();
  });
});

describe('OpenAPI document', () => {
  it('names every route with its role, and is there without a token', async () => {
    const response = await fetch(`${control.url}/openapi.json`);
    const document = (await response.json()) as {
      openapi: string;
      paths: Record<string, Record<string, { summary: string; security: unknown[] }>>;
    };
    expect(document.openapi).toBe('3.1.0');
    // Those of the certificate authority have a test of their own.
    const paths = Object.keys(document.paths).filter((path) => !path.startsWith('/v1/identity/'));
    expect(paths.sort()).toEqual([
      '/v1/access/can-i',
      '/v1/access/whoami',
      '/v1/analyze',
      '/v1/apply',
      '/v1/audit',
      '/v1/audit/ends',
      '/v1/audit/export',
      '/v1/auth/config',
      '/v1/auth/login',
      '/v1/auth/logout',
      '/v1/auth/session',
      '/v1/describe',
      '/v1/diff',
      '/v1/explain',
      '/v1/harden',
      '/v1/history',
      '/v1/proxies',
      '/v1/proxies/stream',
      '/v1/proxies/{type}/{namespace}/{name}/ack',
      '/v1/proxies/{type}/{namespace}/{name}/blobs',
      '/v1/proxies/{type}/{namespace}/{name}/blobs/{hash}',
      '/v1/proxies/{type}/{namespace}/{name}/keys',
      '/v1/proxies/{type}/{namespace}/{name}/pointer',
      '/v1/proxies/{type}/{namespace}/{name}/secrets',
      '/v1/resources/{group}/{kind}',
      '/v1/resources/{group}/{kind}/{namespace}',
      '/v1/resources/{group}/{kind}/{namespace}/{name}',
      '/v1/rollback',
      '/v1/tokens',
      '/v1/tokens/{id}',
      '/v1/tokens/{id}/rotate',
      '/v1/watch',
    ]);
    for (const methods of Object.values(document.paths))
      for (const { security, summary } of Object.values(methods))
        expect([summary, security.length]).toEqual([summary, summary.endsWith('(nobody)') ? 0 : 1]);
  });
});
