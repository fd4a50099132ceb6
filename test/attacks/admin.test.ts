/** The admin API under attack: who isn't anybody, who is somebody else, and what no client of ours would send. */
import { request as send } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestControl } from '../fixtures/control.ts';
import { serviceEntry, startTestControl } from '../fixtures/control.ts';

let control: TestControl;
const tokens: Record<string, string> = {};
const ids: Record<string, string> = {};

interface Raw {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  /** Name and value in turn: the same name may come twice. */
  readonly headers?: readonly string[];
  readonly body?: string | Uint8Array;
  /** Whose token is shown; absent: nobody's. */
  readonly as?: string;
}

/** Bytes as given: no client in between mends them. */
function raw({ method = 'GET', path = '/v1/history', headers = [], body, as }: Sent): Promise<Raw> {
  const { port, host } = new URL(control.url);
  const names = headers.filter((_text, index) => index % 2 === 0).map((name) => name.toLowerCase());
  const all = [
    ...(names.includes('host') ? [] : ['Host', host]),
    ...(as === undefined ? [] : ['Authorization', `Bearer ${tokens[as] ?? ''}`]),
    ...headers,
    ...(body === undefined ? [] : ['Content-Length', String(Buffer.byteLength(body))]),
  ];
  return new Promise((resolve, reject) => {
    const sent = send({ port, host: '127.0.0.1', method, path, headers: all }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text, headers: response.headers });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function make(name: string, body: Record<string, unknown>): Promise<void> {
  const asked = await control.ask('POST', '/v1/tokens', {
    body: JSON.stringify({ name, ...body }),
  });
  tokens[name] = String(asked.body['token']);
  ids[name] = String(asked.body['id']);
}

const entryIn = (namespace: string, name: string): string =>
  serviceEntry(name).replace('metadata: {', `metadata: {namespace: ${namespace}, `);
const policyIn = (namespace: string): string =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: ${namespace}}\nspec: {}\n`;
const entries = '/v1/resources/networking.istio.io/ServiceEntry';

let nowMs = Date.now();
beforeAll(async () => {
  control = await startTestControl({ nowMs: () => nowMs });
  for (const role of ['viewer', 'operator', 'editor', 'security-admin', 'admin']) {
    await make(role, { role });
    await make(`a-${role}`, { role, namespaces: ['a'] });
  }
  const scope = { type: 'gateway', namespace: 'a', name: 'front', labels: {} };
  await make('proxy', { role: 'proxy', scopes: [scope] });
  await make('brief', { role: 'admin', ttlSeconds: 1 });
  await make('revoked', { role: 'admin' });
  await control.ask('DELETE', `/v1/tokens/${ids['revoked'] ?? ''}`);
  const hidden = entryIn('b', 'hidden').replace('labels: {', 'labels: {note: planted');
  for (const body of [entryIn('a', 'ours'), hidden, policyIn('b')])
    await control.ask('POST', '/v1/apply', { body });
  await control.ask('POST', '/v1/apply', {
    body: 'apiVersion: v1\nkind: Secret\nmetadata: {name: hidden, namespace: b, labels: {note: planted}}\nstringData: {key: planted}\n',
  });
  nowMs += 2000;
});
afterAll(() => control.close());

/** Each case may fail a login: none of them is to meet the limit. */
const quiet = (): void => {
  nowMs += 120_000;
};

describe('a credential that is none', () => {
  const token = (): string => tokens['admin'] ?? '';
  it.each<[string, () => readonly string[]]>([
    ['nothing', () => []],
    ['an empty field', () => ['Authorization', '']],
    ['the scheme alone', () => ['Authorization', 'Bearer']],
    ['the scheme and a space', () => ['Authorization', 'Bearer ']],
    ['the scheme in lower case', () => ['Authorization', `bearer ${token()}`]],
    ['the scheme in upper case', () => ['Authorization', `BEARER ${token()}`]],
    ['two spaces', () => ['Authorization', `Bearer  ${token()}`]],
    ['a tab', () => ['Authorization', `Bearer\t${token()}`]],
    ['no space', () => ['Authorization', `Bearer${token()}`]],
    ['another scheme', () => ['Authorization', `Basic ${btoa(`admin:${token()}`)}`]],
    ['the token as Basic', () => ['Authorization', `Basic ${token()}`]],
    ['no scheme', () => ['Authorization', token()]],
    ['another credential before it', () => ['Authorization', `Basic abc, Bearer ${token()}`]],
    ['another credential behind it', () => ['Authorization', `Bearer ${token()}, Bearer x`]],
    ['two fields', () => ['Authorization', 'Bearer x', 'Authorization', `Bearer ${token()}`]],
    ['quotes', () => ['Authorization', `Bearer "${token()}"`]],
    ['a cut token', () => ['Authorization', `Bearer ${token().slice(0, -1)}`]],
    ['a longer token', () => ['Authorization', `Bearer ${token()}0`]],
    ['a token in upper case', () => ['Authorization', `Bearer ${token().toUpperCase()}`]],
    ['the id alone', () => ['Authorization', `Bearer ${token().slice(0, 20)}`]],
    ['an empty secret', () => ['Authorization', `Bearer ${token().slice(0, 21)}`]],
    [
      'zeros for a secret',
      () => ['Authorization', `Bearer ${token().slice(0, 21)}${'0'.repeat(48)}`],
    ],
    [
      'the secret of another',
      () => [
        'Authorization',
        `Bearer ${token().slice(0, 21)}${(tokens['viewer'] ?? '').slice(21)}`,
      ],
    ],
    ['an unknown id', () => ['Authorization', `Bearer lat_${'f'.repeat(16)}_${token().slice(21)}`]],
    ['a prefix of a key', () => ['Authorization', `Bearer lat_!token/_${token().slice(21)}`]],
    ['a quote for SQL', () => ['Authorization', `Bearer lat_' OR 1=1 --_${token().slice(21)}`]],
    ['a percent for LIKE', () => ['Authorization', `Bearer lat_${'%'.repeat(16)}_x`]],
    ['one that was revoked', () => ['Authorization', `Bearer ${tokens['revoked'] ?? ''}`]],
    ['one that has expired', () => ['Authorization', `Bearer ${tokens['brief'] ?? ''}`]],
    ['very long', () => ['Authorization', `Bearer ${'a'.repeat(8000)}`]],
    [
      'a JWT without signature',
      () => ['Authorization', 'Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ.'],
    ],
    ['a cookie', () => ['Cookie', `token=${token()}; Authorization=Bearer ${token()}`]],
    ['a key field', () => ['X-Api-Key', token()]],
    ['a field of a proxy in front', () => ['X-Forwarded-User', 'admin', 'X-Remote-User', 'admin']],
    ['a certificate in a field', () => ['X-Forwarded-Client-Cert', 'URI=spiffe://x/ns/a/sa/admin']],
    ['a proxy credential', () => ['Proxy-Authorization', `Bearer ${token()}`]],
    ['a subprotocol without a WebSocket', () => ['Sec-WebSocket-Protocol', `bearer.${token()}`]],
  ])('%s', async (_what, headers) => {
    quiet();
    const { status, text } = await raw({ headers: headers() });
    expect(status).toBe(401);
    expect(text).not.toContain(token().slice(21));
  });

  it('the hash that is stored is no token', async () => {
    quiet();
    const { createHash } = await import('node:crypto');
    const hash = createHash('sha256').update('administrator').digest('hex');
    expect((await raw({ headers: ['Authorization', `Bearer ${hash}`] })).status).toBe(401);
  });
});

describe('a token in the address', () => {
  it.each<[string, (token: string) => string]>([
    ['as access_token', (token) => `/v1/history?access_token=${token}`],
    ['as another parameter', (token) => `/v1/history?namespace=${token}`],
    ['in the name of a parameter', (token) => `/v1/history?${token}=1`],
    ['with an encoded letter', (token) => `/v1/history?t=%6c${token.slice(1)}`],
    ['in upper case', (token) => `/v1/history?t=${token.toUpperCase()}`],
    ['in the path', (token) => `/v1/tokens/${token}`],
    ['in the path, encoded', (token) => `/v1/tokens/%6c${token.slice(1)}`],
    ['in a path that is none', (token) => `/v1/none/${token}`],
    ['as a join token', (token) => `/v1/identity/join-tokens/latjoin_${token.slice(4)}`],
    ['as a join token, encoded', (token) => `/v1/history?t=%6catjoin_${token.slice(4)}`],
    ['a JWT', () => '/v1/history?id_token=eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA'],
  ])('%s is refused, and written down nowhere', async (_what, path) => {
    const token = tokens['admin'] ?? '';
    const { status, text } = await raw({ path: path(token), as: 'admin' });
    expect(status).toBe(400);
    expect(text).toContain('revoke it');
    expect(text).not.toContain(token.slice(21));
    expect((await raw({ path: path(token) })).status).toBe(400);
    const log = await control.ask('GET', '/v1/audit?limit=500');
    expect(JSON.stringify(log.body)).not.toContain(token.slice(21));
  });
});

describe('a page of another origin', () => {
  it.each<[string, readonly string[], number]>([
    ['a name that leads here', ['Host', 'evil.test'], 421],
    ['a name that begins with ours', ['Host', '127.0.0.1.evil.test'], 421],
    ['a name that ends with ours', ['Host', 'evil.localhost'], 421],
    ['an empty name', ['Host', ''], 421],
    ['another address of loopback', ['Host', '127.0.0.2'], 421],
    ['a number', ['Host', '2130706433'], 421],
    ['a user before it', ['Host', 'x@localhost'], 421],
    ['its own name with the port of another', ['Host', 'evil.test:80'], 421],
    ['an origin', ['Origin', 'http://evil.test'], 403],
    ['an origin of another port', ['Origin', 'http://127.0.0.1:1'], 403],
    ['a hidden origin', ['Origin', 'null'], 403],
    ['an origin that is none', ['Origin', 'x'], 403],
    ['an origin of files', ['Origin', 'file://'], 403],
    ['what a browser says of another site', ['Sec-Fetch-Site', 'cross-site'], 403],
    ['what a browser says of a neighbour', ['Sec-Fetch-Site', 'same-site'], 403],
  ])('%s', async (_what, headers, status) => {
    const answer = await raw({ headers, as: 'admin' });
    expect(answer.status).toBe(status);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('is not told by a preflight that it may ask', async () => {
    quiet();
    const { status, headers } = await raw({
      method: 'OPTIONS',
      path: '/v1/apply',
      headers: [
        'Origin',
        'http://evil.test',
        'Access-Control-Request-Method',
        'POST',
        'Access-Control-Request-Headers',
        'authorization',
      ],
    });
    expect(status).toBe(403);
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  it.each(['/healthz', '/v1/history', '/v1/none', '/openapi.json'])(
    'may not frame, sniff or keep %s',
    async (path) => {
      const { headers } = await raw({ path, as: 'viewer' });
      expect(headers['x-frame-options']).toBe('DENY');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect(headers['cache-control']).toBe('no-store');
    },
  );
});

const nested = (open: string, close: string, depth: number): string =>
  open.repeat(depth) + close.repeat(depth);

describe('a body that is not as it looks', () => {
  const viewer = '"name":"x","role":"viewer"';
  it.each<[string, string, number]>([
    ['lists in lists', nested('[', ']', 5000), 400],
    ['objects in objects', `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`, 400],
    ['nesting within a member', `{${viewer},"scopes":${nested('[', ']', 100)}}`, 400],
    ['__proto__', `{${viewer},"__proto__":{"role":"admin"}}`, 400],
    ['__proto__, escaped', `{${viewer},"\\u005f_proto__":{"role":"admin"}}`, 400],
    ['constructor', `{${viewer},"constructor":{"prototype":{"role":"admin"}}}`, 400],
    ['__proto__ further in', `{${viewer},"scopes":[{"labels":{"__proto__":"x"}}]}`, 400],
    ['a role twice', `{${viewer},"role":"admin"}`, 400],
    ['a role twice, once escaped', `{${viewer},"\\u0072ole":"admin"}`, 400],
    ['a member twice further in', '{"name":"x","role":"viewer","x":{"a":1,"a":2}}', 400],
    ['something behind it', `{${viewer}}{}`, 400],
    ['a comment', `{${viewer}/* */}`, 400],
    ['a comma too much', `{${viewer},}`, 400],
    ['no quotes', '{name:"x",role:"viewer"}', 400],
    ['NaN', `{${viewer},"ttlSeconds":NaN}`, 400],
    ['a list', `[{${viewer}}]`, 400],
    ['null', 'null', 400],
    ['text', '"viewer"', 400],
    ['nothing', '', 400],
    ['NUL in a name', '{"name":"a\\u0000b","role":"viewer"}', 400],
    ['a line break in a name', '{"name":"a\\nb","role":"viewer"}', 400],
    ['NUL behind it', `{${viewer}}\u0000`, 400],
    ['a form', 'name=x&role=admin', 400],
  ])('%s', async (_what, body, status) => {
    const before = await control.ask('GET', '/v1/tokens');
    const answer = await raw({ method: 'POST', path: '/v1/tokens', body, as: 'admin' });
    expect(answer.status).toBe(status);
    expect((JSON.parse(answer.text) as { detail: string }).detail).toContain('body');
    expect((await control.ask('GET', '/v1/tokens')).body['items']).toHaveLength(
      (before.body['items'] as unknown[]).length,
    );
  });

  it.each<[string, string, number]>([
    ['of a form', 'application/x-www-form-urlencoded', 415],
    ['of a form, in upper case', 'APPLICATION/X-WWW-FORM-URLENCODED', 415],
    ['of a form with files', 'multipart/form-data; boundary=x', 415],
    ['in UTF-16', 'application/json; charset=utf-16', 415],
    ['in UTF-7', 'application/json;charset="utf-7"', 415],
  ])('%s', async (_what, type, status) => {
    const sent = { method: 'POST', path: '/v1/tokens', as: 'admin' };
    const body = '{"name":"x","role":"viewer"}';
    const answer = await raw({ ...sent, body, headers: ['Content-Type', type] });
    expect(answer.status).toBe(status);
  });

  it.each(['gzip', 'br', 'deflate', 'x'])('compressed as %s', async (coding) => {
    const headers = ['Content-Encoding', coding];
    const answer = await raw({
      method: 'POST',
      path: '/v1/apply',
      headers,
      body: 'x',
      as: 'admin',
    });
    expect(answer.status).toBe(415);
  });

  it('longer than any is', async () => {
    const body = new Uint8Array(16 * 1024 * 1024 + 1).fill(0x20);
    const answer = await raw({ method: 'POST', path: '/v1/tokens', body, as: 'admin' });
    expect(answer.status).toBe(413);
  });
});

describe('documents', () => {
  const head = 'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n';
  it.each<[string, string]>([
    ['nested without end', `${head}metadata: {name: x}\nspec: ${nested('[', ']', 20_000)}\n`],
    [
      'nested as JSON',
      `{"apiVersion":"v1","kind":"Service","spec":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}}`,
    ],
    [
      'aliases that grow',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghij'
        .split('')
        .map(
          (name, index) =>
            `${name}: &${name} [${Array.from({ length: 9 }, () => `*${'abcdefghi'[index] ?? 'a'}`).join(',')}]`,
        )
        .join('\n')}\n`,
    ],
    [
      'with __proto__',
      `${head}metadata: {name: x, __proto__: {namespace: b}}\nspec: {hosts: [x.test]}\n`,
    ],
    [
      'with __proto__ as labels',
      `${head}metadata: {name: x, labels: {__proto__: {a: b}}}\nspec: {hosts: [x.test]}\n`,
    ],
    ['with a name twice', `${head}metadata: {name: x, name: y}\nspec: {hosts: [x.test]}\n`],
    [
      'with a namespace twice',
      `${head}metadata: {name: x, namespace: a, namespace: b}\nspec: {}\n`,
    ],
    ['with a slash in its name', entryIn('a', '"x/y"')],
    ['with dots for a name', entryIn('a', '".."')],
    ['with NUL in its name', entryIn('a', '"x\\0"')],
    ['with a slash in its namespace', entryIn('"a/b"', 'x')],
    ['with a namespace in upper case', entryIn('A', 'x')],
    ['of a kind that is a key', 'apiVersion: "!token/v1"\nkind: x\nmetadata: {name: x}\n'],
    ['of a tag that makes objects', `${head}metadata: {name: x}\nspec: !!js/function "x"\n`],
  ])('%s are refused whole', async (_what, body) => {
    const answer = await raw({ method: 'POST', path: '/v1/apply', body, as: 'admin' });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(({} as Record<string, unknown>)['namespace']).toBeUndefined();
  });
});

describe("members that are not the client's to set", () => {
  it.each<[string, Record<string, unknown>]>([
    ['id', { id: '0'.repeat(16) }],
    ['hash', { hash: 'f'.repeat(64) }],
    ['token', { token: 'x' }],
    ['createdMs', { createdMs: 0 }],
    ['expiresMs', { expiresMs: 9e15 }],
    ['isSession', { isSession: true }],
    ['rotatedFrom', { rotatedFrom: 'x' }],
    ['lastUsedMs', { lastUsedMs: 1 }],
    ['by', { by: 'bootstrap' }],
    [
      'scopes of a viewer',
      { scopes: [{ type: 'gateway', namespace: 'a', name: 'x', labels: {} }] },
    ],
    ['a role in a list', { role: ['admin'] }],
    ['a role of nobody', { role: 'root' }],
    ['a role with a space', { role: 'admin ' }],
    ['a role in upper case', { role: 'ADMIN' }],
    ['no namespaces', { namespaces: [] }],
    ['a namespace that is all', { namespaces: ['*'] }],
    ['a namespace that is none', { namespaces: [''] }],
    ['a path for a namespace', { namespaces: ['a/../b'] }],
    ['namespaces that are text', { namespaces: 'a' }],
    ['a time that is over', { ttlSeconds: -1 }],
    ['half a second', { ttlSeconds: 0.5 }],
    ['a time as text', { ttlSeconds: '1' }],
    ['no end at all', { ttlSeconds: null }],
    ['a time beyond the role', { role: 'admin', ttlSeconds: 91 * 24 * 3600 }],
    ['a time beyond numbers', { ttlSeconds: 1e300 }],
  ])('%s', async (_what, more) => {
    const body = JSON.stringify({ name: 'x', role: 'viewer', ...more });
    const answer = await raw({ method: 'POST', path: '/v1/tokens', body, as: 'admin' });
    expect(answer.status).toBe(400);
  });

  it('a resource keeps what the mesh wrote of it', async () => {
    const given = serviceEntry('owned').replace(
      'metadata: {',
      'metadata: {namespace: a, resourceVersion: "999", generation: 77, ',
    );
    await control.ask('POST', '/v1/apply', { body: `${given}status: {x: y}\n` });
    const { body } = await control.ask('GET', `${entries}/a/owned`);
    expect(body['metadata']).toMatchObject({ generation: 1 });
    expect(JSON.stringify(body['status'])).not.toContain('"x"');
  });
});

describe('a role that reaches for more', () => {
  const mint = (role: string): string => JSON.stringify({ name: 'x', role });
  const path = '/v1/tokens';
  it.each<[string, Sent]>([
    ['viewer', { method: 'POST', path, body: mint('viewer') }],
    ['operator', { method: 'POST', path, body: mint('viewer') }],
    ['editor', { method: 'POST', path, body: mint('admin') }],
    ['security-admin', { method: 'POST', path, body: mint('admin') }],
    ['proxy', { method: 'POST', path, body: mint('admin') }],
    ['viewer', { path }],
    ['editor', { path }],
    ['viewer', { path: '/v1/audit' }],
    ['editor', { path: '/v1/audit/export' }],
    ['operator', { path: '/v1/audit/ends' }],
    ['a-admin', { path: '/v1/audit' }],
    ['a-security-admin', { path: '/v1/audit/export' }],
    ['viewer', { method: 'POST', path: '/v1/apply', body: entryIn('a', 'x') }],
    ['operator', { method: 'POST', path: '/v1/apply', body: entryIn('a', 'x') }],
    ['security-admin', { method: 'POST', path: '/v1/apply', body: entryIn('a', 'x') }],
    ['editor', { method: 'POST', path: '/v1/apply', body: policyIn('a') }],
    ['editor', { method: 'POST', path: '/v1/apply?dryRun=true', body: policyIn('a') }],
    ['editor', { method: 'DELETE', path: '/v1/apply', body: policyIn('b') }],
    [
      'editor',
      { method: 'DELETE', path: '/v1/resources/security.istio.io/AuthorizationPolicy/b/p' },
    ],
    ['editor', { method: 'PUT', path: '/v1/resources/core/Secret/a/x', body: 'x' }],
    [
      'editor',
      {
        method: 'POST',
        path: '/v1/apply',
        body: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: ""}\n',
      },
    ],
    [
      'editor',
      {
        method: 'POST',
        path: '/v1/apply',
        body: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca}\ndata: {ca.crt: x}\n',
      },
    ],
    [
      'editor',
      {
        method: 'POST',
        path: '/v1/apply',
        body: 'apiVersion: lateen.io/v1\nkind: Policy\nmetadata: {name: x}\nspec: {access: {allow: [{cidrs: [0.0.0.0/0]}]}}\n',
      },
    ],
    ['viewer', { method: 'POST', path: '/v1/rollback', body: '{"revision":0}' }],
    ['operator', { method: 'POST', path: '/v1/rollback', body: '{"revision":0}' }],
    ['editor', { method: 'POST', path: '/v1/rollback', body: '{"revision":0}' }],
    ['a-admin', { method: 'POST', path, body: mint('admin').replace('}', ',"namespaces":["b"]}') }],
    [
      'a-editor',
      {
        method: 'POST',
        path: '/v1/apply',
        body: 'apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n',
      },
    ],
    [
      'a-editor',
      {
        method: 'POST',
        path: '/v1/apply?namespace=a',
        body: 'apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: x}\nspec: {controllerName: x.test/y}\n',
      },
    ],
  ])('%s: %o', async (as, sent) => {
    const answer = await raw({ ...sent, as });
    expect(answer.status).toBeGreaterThanOrEqual(403);
    expect(answer.status).toBeLessThan(404);
  });

  it.each(['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'])(
    '%s changes no method',
    async (name) => {
      const headers = [name, 'DELETE'];
      const answer = await raw({ path: `${entries}/a/ours`, headers, as: 'admin' });
      expect(answer.status).toBe(200);
      expect((await raw({ path: `${entries}/a/ours`, as: 'admin' })).status).toBe(200);
      const query = await raw({ path: `${entries}/a/ours?_method=DELETE`, as: 'viewer' });
      expect(query.status).toBe(200);
    },
  );
});

/** Every route of the document, with names in place of its parameters. */
async function routes(): Promise<{ method: string; path: string }[]> {
  const { body } = await control.ask('GET', '/openapi.json');
  const paths = body['paths'] as Record<string, Record<string, unknown>>;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
  );
}

const OF_ALL = new Set([
  '/v1/access/can-i',
  '/v1/access/whoami',
  '/v1/auth/session',
  '/v1/auth/logout',
]);
/** Whoever has nothing yet asks these, and proves itself by what it sends; what the authority tells everybody. */
const OPEN = new Set([
  '/v1/auth/config',
  '/v1/auth/login',
  '/v1/identity/bundle',
  '/v1/identity/crl',
  '/v1/identity/crl/{generation}',
  '/v1/identity/join-key',
  '/v1/identity/join',
  '/v1/identity/renew',
]);

/** A proxy's own, and what they say to a request that isn't whole. */
const OF_PROXIES = new Map([
  ['/v1/proxies/stream', 426],
  ['/v1/identity/token', 400],
]);

describe('every route', () => {
  it('is closed to who shows nothing, and to a proxy but for its own', async () => {
    for (const { method, path } of await routes()) {
      quiet();
      if (OPEN.has(path)) continue;
      const filled = path.replaceAll(/\{\w+\}/g, 'x');
      const body = method === 'POST' || method === 'PUT' ? { body: '{}' } : {};
      const what = `${method} ${filled}`;
      expect([what, (await raw({ method, path: filled, ...body })).status]).toEqual([what, 401]);
      if (OF_ALL.has(path)) continue;
      const { status } = await raw({ method, path: filled, ...body, as: 'proxy' });
      expect([what, status]).toEqual([what, OF_PROXIES.get(path) ?? 403]);
    }
  });
});

describe("another namespace's", () => {
  const scope = '{"type":"gateway","namespace":"b","name":"x","labels":{}}';
  const secret = '/v1/resources/core/Secret/b/hidden';
  it.each<[string, Sent, number]>([
    ['resource', { path: `${entries}/b/hidden` }, 403],
    ['resource that is not there', { path: `${entries}/b/nothing` }, 403],
    ['list', { path: `${entries}/b` }, 403],
    ['secret', { path: secret }, 403],
    ['list of secrets', { path: '/v1/resources/core/Secret/b' }, 403],
    ['policy', { path: '/v1/resources/security.istio.io/AuthorizationPolicy/b/p' }, 403],
    ['resource, put', { method: 'PUT', path: `${entries}/b/x`, body: entryIn('b', 'x') }, 403],
    [
      'resource, put at its own address',
      { method: 'PUT', path: `${entries}/a/x`, body: entryIn('b', 'x') },
      422,
    ],
    ['resource, deleted', { method: 'DELETE', path: `${entries}/b/hidden` }, 403],
    ['resource, applied', { method: 'POST', path: '/v1/apply', body: entryIn('b', 'x') }, 403],
    [
      'resource, applied by the default',
      { method: 'POST', path: '/v1/apply?namespace=b', body: serviceEntry('x') },
      403,
    ],
    [
      'resource, as a source',
      {
        method: 'POST',
        path: '/v1/apply',
        headers: ['Content-Type', 'application/json'],
        body: JSON.stringify({ sources: [{ file: 'x', text: entryIn('b', 'x') }] }),
      },
      403,
    ],
    [
      'resource, tried',
      { method: 'POST', path: '/v1/apply?dryRun=true', body: entryIn('b', 'x') },
      403,
    ],
    [
      'resource, deleted in a batch',
      { method: 'DELETE', path: '/v1/apply', body: entryIn('b', 'hidden') },
      403,
    ],
    ['diff', { method: 'POST', path: '/v1/diff', body: entryIn('b', 'hidden') }, 403],
    [
      'diff by the default',
      { method: 'POST', path: '/v1/diff?namespace=b', body: serviceEntry('hidden') },
      403,
    ],
    [
      'decision',
      { method: 'POST', path: '/v1/explain', body: `{"scope":${scope},"request":{}}` },
      403,
    ],
    [
      'decision of a proxy',
      {
        method: 'POST',
        path: '/v1/explain',
        body: '{"proxy":{"namespace":"b","name":"x"},"request":{}}',
      },
      403,
    ],
    ['host', { path: '/v1/describe?host=hidden.example.com&namespace=b' }, 403],
    ['host, found by its name', { path: '/v1/describe?host=nothing.example.com' }, 404],
    ['watch', { path: '/v1/watch?namespace=b' }, 403],
    ['token', { method: 'DELETE', path: '/v1/tokens/viewer' }, 404],
    [
      'list past an encoded slash',
      { path: '/v1/resources/networking.istio.io/ServiceEntry%2Fb' },
      400,
    ],
    ['resource past an encoded slash', { path: `${entries}/a/..%2fb%2fhidden` }, 400],
    ['resource past two encodings', { path: `${entries}/a/..%252fb%252fhidden` }, 400],
    ['resource past dots', { path: `${entries}/a/../b/hidden` }, 403],
    ['resource past encoded dots', { path: `${entries}/a/%2e%2e/b/hidden` }, 403],
    ['resource past a backslash', { path: `${entries}/a/..\\b\\hidden` }, 403],
    ['resource past an encoded backslash', { path: `${entries}/a/..%5cb%5chidden` }, 400],
    ['resource past NUL', { path: `${entries}/a%00/hidden` }, 400],
    ['resource behind a parameter', { path: `${entries}/a;b/hidden` }, 400],
    ['resource in upper case', { path: `${entries}/B/hidden` }, 403],
    ['resource with a mark of all', { path: `${entries}/*/hidden` }, 400],
    ['resource with a mark of LIKE', { path: `${entries}/%25/hidden` }, 400],
    ['token record as a resource', { path: '/v1/resources/..%2f!token/x/a/x' }, 400],
    ['whole API in upper case', { path: `/V1/resources/core/Secret/b/hidden` }, 404],
    ['resource behind two slashes', { path: `/v1//resources/core/Secret/b/hidden` }, 404],
  ])('%s', async (_what, sent, status) => {
    quiet();
    const answer = await raw({ ...sent, as: 'a-admin' });
    expect(answer.status).toBe(status);
    expect(answer.text).not.toContain('planted');
  });

  it.each<[string, string]>([
    ['lists', entries],
    [
      'lists from a mark of another',
      `${entries}?continue=r%2Fnetworking.istio.io%2FServiceEntry%2Fb%2F`,
    ],
    ['lists of Secrets', '/v1/resources/core/Secret'],
    ['history', '/v1/history?limit=500'],
    ['history of a resource', '/v1/history?resource=networking.istio.io/ServiceEntry/b/hidden'],
    ['findings', '/v1/analyze'],
    ['findings of a namespace', '/v1/analyze?namespace=b'],
    ['findings of a resource', '/v1/analyze?resource=ServiceEntry%20b%2Fhidden'],
    ['descriptions', '/v1/describe?host=ours.example.com'],
    ['proxies', '/v1/proxies'],
    ['tokens', '/v1/tokens'],
  ])('%s leave it out', async (_what, path) => {
    const { status, text } = await raw({ path, as: 'a-admin' });
    expect(status).toBe(200);
    expect(text).not.toContain('hidden');
    expect(text).not.toContain('/b/');
  });
});

/** Reads a watch until it has so many events besides bookmarks, or ends. */
async function watched(
  token: string,
  work: () => Promise<unknown>,
  count: number,
): Promise<string> {
  const response = await fetch(`${control.url}/v1/watch`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = decoder.decode((await reader.read()).value);
  await work();
  while ((text.match(/^event: (?!BOOKMARK)/gm) ?? []).length < count) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return text;
}

describe('a watch', () => {
  it('tells nothing of other namespaces, changes and deletions alike', async () => {
    const text = await watched(
      tokens['a-viewer'] ?? '',
      async () => {
        await control.ask('POST', '/v1/apply', { body: entryIn('b', 'hidden-new') });
        await control.ask('DELETE', `${entries}/b/hidden-new`);
        await control.ask('POST', '/v1/apply', {
          body: 'apiVersion: v1\nkind: Namespace\nmetadata: {name: hidden-space, namespace: a}\n',
        });
        await control.ask('POST', '/v1/apply', { body: entryIn('a', 'seen') });
      },
      1,
    );
    expect(text).toContain('"seen"');
    expect(text).not.toContain('hidden');
  });

  it('ends with its token', async () => {
    await make('watcher', { role: 'viewer' });
    const text = await watched(
      tokens['watcher'] ?? '',
      () => control.ask('DELETE', `/v1/tokens/${ids['watcher'] ?? ''}`),
      1,
    );
    expect(text).toMatch(/^event: ERROR$/m);
    expect(text).toContain('"status":401');
  });
});

describe('guessing', () => {
  const wrong = { headers: ['Authorization', `Bearer lat_${'a'.repeat(16)}_${'b'.repeat(48)}`] };
  it('is slowed down by source, and locks no right token out', async () => {
    quiet();
    const statuses: number[] = [];
    for (let count = 0; count < 25; count++) statuses.push((await raw(wrong)).status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(20);
    const last = await raw(wrong);
    expect(last.status).toBe(429);
    expect(Number(last.headers['retry-after'])).toBeGreaterThan(0);
    expect((await raw({ as: 'viewer' })).status).toBe(200);
    // The first administrator's was chosen by somebody: it could be guessed.
    expect((await raw({ headers: ['Authorization', 'Bearer administrator'] })).status).toBe(429);
    quiet();
    expect((await raw({ headers: ['Authorization', 'Bearer administrator'] })).status).toBe(200);
  });

  it.each(['X-Forwarded-For', 'X-Real-IP', 'Forwarded', 'CF-Connecting-IP', 'True-Client-IP'])(
    'from ever other addresses by %s is from one',
    async (name) => {
      quiet();
      let status = 0;
      for (let count = 0; count < 22; count++) {
        const headers = [...wrong.headers, name, `192.0.2.${count}`];
        status = (await raw({ headers })).status;
      }
      expect(status).toBe(429);
    },
  );

  it('leaves few lines in the audit log', async () => {
    const lines = async (): Promise<{ role: string; source: string; seq: number }[]> => {
      const { body } = await control.ask('GET', '/v1/audit?limit=500', {
        token: tokens['admin'] ?? '',
      });
      return body['items'] as { role: string; source: string; seq: number }[];
    };
    quiet();
    const [before] = await lines();
    for (let count = 0; count < 150; count++) await raw(wrong);
    const added = (await lines()).filter(({ seq }) => seq > (before?.seq ?? 0));
    expect(added.length).toBeLessThan(5);
    expect(added.every(({ role, source }) => role === 'none' && source === '127.0.0.1')).toBe(true);
  });
});
