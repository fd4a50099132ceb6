/** Secrets of every kind in a mesh with a control plane, a gateway and a command line: none comes out where it isn't asked for. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { setUpAuthority } from '../fixtures/authority-api.ts';
import type { TestControl } from '../fixtures/control.ts';
import { startTestControl } from '../fixtures/control.ts';
import type { Bench } from '../fixtures/node-process.ts';
import { createBench, shopMesh } from '../fixtures/node-process.ts';
import { Pki } from '../fixtures/pki.ts';
import { PLANTED, secretsIn } from '../setup/secrets.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 120_000 });

const ADMIN = `${PLANTED}-administrator`;
const CA_SECRET = `${PLANTED}-of-the-authority-that-wraps-its-keys`;
const FRONT = 'spiffe://cluster.local/ns/default/sa/front';
const encode = (text: string): string => Buffer.from(text).toString('base64');
const jwt = `eyJhbGciOiJFUzI1NiJ9.${Buffer.from(`{"sub":"${PLANTED}"}`).toString('base64url')}.${PLANTED}`;

let bench: Bench;
let control: TestControl;
let keyBody = '';
let proxyToken = '';
let token = '';
/** One that a gateway has joined with, and one that waits. */
let joinTokens: readonly string[] = [];
/** What was printed or answered, by where. */
const outputs = new Map<string, string>();
const logged: string[] = [];

/** Secrets in all of their spellings. */
function found(text: string): string[] {
  const joining = joinTokens.map((joinToken) => joinToken.split('_')[2] ?? '');
  const spellings = [
    PLANTED,
    encode(PLANTED).replace(/=+$/, ''),
    keyBody,
    jwt.split('.')[1] ?? '',
    ...joining,
  ];
  return [
    ...secretsIn(text),
    ...spellings.filter((spelling) => spelling !== '' && text.includes(spelling)),
  ].map((secret) => secret.slice(0, 16));
}

async function keep(where: string, method: string, path: string, body?: string): Promise<void> {
  const response = await fetch(control.url + path, {
    method,
    headers: { authorization: `Bearer ${ADMIN}` },
    ...(body === undefined ? {} : { body }),
  });
  outputs.set(where, `${await response.text()} ${JSON.stringify([...response.headers])}`);
}

function documents(port: number): string {
  const pki = new Pki();
  const { certificate, key } = pki.authority('root').issue({ names: 'DNS:shop.test' });
  pki.remove();
  keyBody = key.split('\n')[1] ?? '';
  return `${shopMesh(port)}---
apiVersion: v1
kind: Secret
metadata: {name: front, annotations: {kubectl.kubernetes.io/last-applied-configuration: '${PLANTED}-copy'}}
data: {tls.crt: ${encode(certificate)}, tls.key: ${encode(key)}}
---
apiVersion: v1
kind: Secret
metadata: {name: clients}
stringData: {api-key: ${PLANTED}-api-key, client-secret: ${PLANTED}-client-secret, users: "a:${PLANTED}-password"}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: front}, hosts: [shop.test]}]}
`;
}

async function askControl(text: string): Promise<void> {
  const get = (path: string): Promise<void> => keep(path, 'GET', path);
  for (const path of [
    '/v1/history?limit=500',
    '/v1/audit?limit=500',
    '/v1/audit/export',
    '/v1/resources/core/Secret',
    '/v1/resources/core/Secret/default/front',
    '/v1/resources/core/Secret/default/clients',
    '/v1/proxies',
    '/v1/tokens',
    '/v1/analyze',
    '/v1/harden',
    '/v1/describe?host=shop',
    '/v1/identity/authority',
    '/v1/identity/join-tokens',
    '/v1/identity/issued',
    '/v1/identity/joining',
    '/v1/identity/bundle',
    '/openapi.json',
    `/v1/history?access_token=${token}`,
    `/v1/describe?host=${token}`,
  ])
    await get(path);
  await keep('diff', 'POST', '/v1/diff', text.replace(`${PLANTED}-api-key`, `${PLANTED}-other`));
  await keep('dry run', 'POST', '/v1/apply?dryRun=true', text);
  await keep(
    'a bad secret',
    'POST',
    '/v1/apply',
    text.replace('data: {tls.crt: ', `data: {tls.crt: "%${PLANTED}", x: `),
  );
  await keep(
    'a secret of a wrong type',
    'POST',
    '/v1/apply',
    text.replace('stringData: {', `stringData: {n: [${PLANTED}], `),
  );
  await keep(
    'a secret in a wrong place',
    'POST',
    '/v1/apply',
    text.replace('stringData:', 'spec:'),
  );
  await keep(
    'half a document',
    'POST',
    '/v1/apply',
    `${text}---\nkind: Secret\nstringData: {a: "${PLANTED}`,
  );
  await keep(
    'a wrong token',
    'POST',
    '/v1/tokens',
    `{"name":"x","role":"viewer","secret":"${PLANTED}"}`,
  );
  const [spent = '', waiting = ''] = joinTokens;
  for (const [where, joinToken] of [
    ['a join token that was used', spent],
    ['a join token in clear', waiting],
  ] as const) {
    await keep(where, 'POST', '/v1/identity/join', JSON.stringify({ token: joinToken }));
    await keep(
      `${where}, as an id`,
      'DELETE',
      `/v1/identity/join-tokens/${joinToken.slice(0, 73)}`,
    );
  }
  for (const wrong of [
    `Bearer ${PLANTED}`,
    `Bearer ${token}0`,
    `Bearer ${waiting}`,
    `Basic ${PLANTED}`,
  ]) {
    const response = await fetch(`${control.url}/v1/history`, {
      headers: { authorization: wrong },
    });
    outputs.set(`refusal of ${wrong.slice(0, 11)}`, await response.text());
  }
}

async function askGateway(): Promise<void> {
  const headers = {
    authorization: `Bearer ${jwt}`,
    cookie: `session=${PLANTED}-cookie`,
    'x-api-key': `${PLANTED}-api-key`,
    host: 'shop.test',
  };
  for (const path of ['/', '/cart', '/%zz', '/..'])
    await fetch(`http://127.0.0.1:${bench.port}${path}`, { headers }).then((answer) =>
      answer.text(),
    );
  for (const path of [
    '/config_dump',
    '/stats',
    '/clusters',
    '/listeners',
    '/server_info',
    '/node',
    '/readyz',
    '/certs',
    '/none',
  ])
    outputs.set(`gateway ${path}`, (await bench.ask(path)).text);
}

/** All that lies in a folder, but for what is there to hold tokens and keys: readable to its owner alone. */
function filesOf(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const file = join(folder, name);
    const { mode } = statSync(file);
    if (!statSync(file).isFile()) continue;
    const text = readFileSync(file).toString('latin1');
    if (found(text).length > 0 && (mode & 0o077) !== 0) outputs.set(`file ${name}`, text);
  }
}

async function makeJoinToken(): Promise<string> {
  const made = await control.ask('POST', '/v1/identity/join-tokens', {
    token: ADMIN,
    body: JSON.stringify({ identity: FRONT }),
  });
  return String(made.body['token']);
}

beforeAll(async () => {
  bench = await createBench();
  control = await startTestControl({
    adminToken: ADMIN,
    caSecret: CA_SECRET,
    database: join(bench.folder, 'control.sqlite'),
    log: (line) => logged.push(line),
  });
  const asAdmin: TestControl = {
    ...control,
    ask: async (method, path, options) => control.ask(method, path, { ...options, token: ADMIN }),
  };
  await setUpAuthority(asAdmin);
  joinTokens = [await makeJoinToken(), await makeJoinToken()];
  const text = documents(bench.app.port);
  await control.ask('POST', '/v1/apply', { token: ADMIN, body: text });
  const made = await control.ask('POST', '/v1/tokens', {
    token: ADMIN,
    body: '{"name":"reader","role":"admin"}',
  });
  token = String(made.body['token']);
  const gateway = bench.start(
    [
      'gateway',
      '--server',
      control.url,
      '--map',
      `80=${bench.port}`,
      '--listen',
      '127.0.0.1',
      '--admin',
      bench.admin,
    ],
    { env: { LATEEN_TOKEN: ADMIN, LATEEN_JOIN_TOKEN: joinTokens[0] ?? '' } },
  );
  await gateway.until(/is ready in/);
  const saved = join(bench.folder, '.lateen', 'proxy', 'default.ingressgateway.token.json');
  proxyToken = (JSON.parse(readFileSync(saved, 'utf8')) as { token: string }).token;
  await askControl(text);
  await askGateway();
  const connection = ['--server', control.url, '--token', ADMIN];
  for (const args of [
    ['get', 'secret', '-o', 'yaml', ...connection],
    ['history', ...connection],
    ['audit', 'export', ...connection],
    ['auth', 'token', 'list', ...connection],
    ['join-token', 'list', ...connection],
    ['join-token', 'revoke', joinTokens[1]?.slice(0, 73) ?? '', ...connection],
    ['ca', 'status', ...connection],
    ['ca', 'issued', ...connection],
    ['auth', 'whoami', '--server', control.url, '--token', `${PLANTED}-wrong`],
    ['get', 'secret', '--server', 'http://127.0.0.1:1', '--token', ADMIN],
    ['proxy-config', 'secrets', '--admin', bench.admin],
  ]) {
    const { stdout, stderr } = await bench.run(args);
    outputs.set(`lateen ${args.slice(0, 3).join(' ')}`, stdout + stderr);
  }
  gateway.kill('SIGTERM');
  await gateway.ended;
  outputs.set('output of the gateway', gateway.stdout + gateway.stderr);
  outputs.set('log of the control plane', logged.join('\n'));
  filesOf(bench.folder);
});
afterAll(async () => {
  await control.close();
  await bench.close();
});

describe('a planted secret', () => {
  it('would be found', () => {
    const [spent = '', waiting = ''] = joinTokens;
    const planted = [ADMIN, CA_SECRET, token, proxyToken, spent, waiting, jwt, keyBody];
    for (const text of [...planted, waiting.split('_')[2], encode(`${PLANTED}-x`)])
      expect(found(`x ${text} x`)).not.toEqual([]);
  });

  it('comes out of no output', () => {
    expect(outputs.size).toBeGreaterThan(48);
    // The first has been used, so that there is something to tell of it.
    expect(outputs.get('/v1/identity/join-tokens')).toMatch(/"used".*"usable"|"usable".*"used"/);
    for (const [where, text] of outputs) expect([where, found(text)]).toEqual([where, []]);
  });

  it('as a token is in no file of the control plane', () => {
    const base = join(bench.folder, 'control.sqlite');
    const all = ['', '-wal'].map((end) => readFileSync(base + end).toString('latin1')).join('');
    expect(all).toContain('reader');
    const [spent, waiting] = joinTokens.map((joinToken) => joinToken.split('_')[2] ?? '');
    for (const secret of [
      ADMIN,
      CA_SECRET,
      token,
      proxyToken,
      token.slice(21),
      proxyToken.slice(21),
      spent ?? '',
      waiting ?? '',
    ])
      expect(all.includes(secret)).toBe(false);
  });
});
