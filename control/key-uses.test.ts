import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestControl } from '../test/fixtures/control.ts';
import { startTestControl } from '../test/fixtures/control.ts';
import { publishedKey } from '../test/fixtures/keys.ts';
import { createBindingKeys } from './binding-keys.ts';
import { createKeys } from './keys.ts';
import { createMemoryTexts } from './store/memory.ts';

const KEY = { ...publishedKey, kid: 'one' };
const scope = { type: 'gateway', namespace: 'edge', name: 'front', labels: {} };

let control: TestControl;
let token: string;
let nowMs = Date.now();
let answer: (path: string) => { readonly status: number; readonly body: string };
const asked: string[] = [];
const issuer = createServer((request, response) => {
  asked.push(`${request.headers.host ?? ''}${request.url ?? ''}`);
  const { status, body } = answer(request.url ?? '');
  response.writeHead(status, { 'content-type': 'application/json' }).end(body);
});

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    issuer.listen(0, '127.0.0.1', resolve);
  });
  control = await startTestControl({ nowMs: () => nowMs });
  const made = await control.ask('POST', '/v1/tokens', {
    body: JSON.stringify({ name: 'front', role: 'proxy', scopes: [scope] }),
  });
  token = String(made.body['token']);
});

afterAll(async () => {
  issuer.close();
  await control.close();
});

const portOf = (): number => (issuer.address() as AddressInfo).port;

async function apply(yaml: string): Promise<void> {
  expect((await control.ask('POST', '/v1/apply', { body: yaml })).status).toBe(200);
}

const authentication = (uri: string): string =>
  `apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: jwt, namespace: edge}\nspec: {jwtRules: [{issuer: "https://issuer.test", jwksUri: "${uri}", timeout: 1s}]}\n`;

async function pull(): Promise<string> {
  const { body } = await control.ask('GET', '/v1/proxies/gateway/edge/front/pointer', { token });
  const blob = await control.ask(
    'GET',
    `/v1/proxies/gateway/edge/front/blobs/${String(body['keys'])}`,
    { token },
  );
  return JSON.stringify(blob.body);
}

async function condition(): Promise<unknown> {
  const { body } = await control.ask(
    'GET',
    '/v1/resources/security.istio.io/RequestAuthentication/edge/jwt',
  );
  const { conditions } = body['status'] as { conditions: readonly Record<string, string>[] };
  const { status, reason, message } = conditions.find(({ type }) => type === 'JwksStale') ?? {};
  return [status, reason, message];
}

describe('keys of a service of the mesh', () => {
  it('come from its endpoint, and the resource says how they are', async () => {
    answer = () => ({
      status: 200,
      body: JSON.stringify({ keys: [KEY, { kty: 'oct', kid: 'h' }] }),
    });
    const uri = 'http://login.shop.internal:8080/certs';
    await apply(
      `${authentication(uri)}---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: login, namespace: edge}\nspec: {hosts: [login.shop.internal], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 8080, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.1, ports: {http: ${portOf()}}}]}\n`,
    );
    expect(await pull()).toContain('"kid":"one"');
    expect(asked).toEqual(['login.shop.internal:8080/certs']);
    expect(await condition()).toEqual([
      'False',
      'Fresh',
      `${uri}: key "h" is left out: k is no base64url or empty`,
    ]);
    answer = () => ({ status: 503, body: '' });
    nowMs += 3_600_000;
    await pull();
    await expect
      .poll(() => condition())
      .toEqual(['True', 'FetchFailed', expect.stringContaining('answered 503')]);
    expect(await pull()).toContain('"kid":"one"');
    nowMs += 24 * 3_600_000;
    expect(await pull()).toBe('{"sets":{}}');
    expect(await condition()).toEqual([
      'True',
      'NoKeys',
      expect.stringContaining('tokens are refused'),
    ]);
  });

  it('that answers a redirect are not had', async () => {
    answer = () => ({ status: 302, body: '' });
    await apply(authentication(`http://127.0.0.1:${portOf()}/moved`));
    expect(await pull()).toBe('{"sets":{}}');
    expect(await condition()).toEqual([
      'True',
      'NoKeys',
      expect.stringContaining('redirects are not followed'),
    ]);
  });
});

describe('keys of a service binding', () => {
  const uri = 'http://login.shop/certs';
  const keysOf = (env: object) =>
    createKeys({
      fetch: createBindingKeys(env),
      nowMs: () => nowMs,
      log: () => undefined,
      cache: createMemoryTexts(),
      uses: {
        timeoutMs: () => Promise.resolve(1000),
        endpointOf: () => Promise.resolve({ address: 'binding:LOGIN', port: 80 }),
      },
    });

  it('are fetched through it, by plain http too: nobody is on the way', async () => {
    const paths: string[] = [];
    const keys = keysOf({
      LOGIN: {
        fetch: (request: Request) => {
          paths.push(request.url);
          return Promise.resolve(Response.json({ keys: [KEY] }));
        },
      },
    });
    await keys.ensure([uri]);
    expect([keys.of(uri)?.keys[0]?.['kid'], paths]).toEqual(['one', [uri]]);
  });

  it.each([
    ['is not there', {}],
    ['is something else', { LOGIN: 'text' }],
    ['is inherited', Object.create({ LOGIN: { fetch } })],
  ])('say so where it %s', async (_name, env: object) => {
    const keys = keysOf(env);
    await keys.ensure([uri]);
    expect(keys.stateOf(uri)?.fault).toBe('the control plane has no service binding LOGIN');
  });
});
