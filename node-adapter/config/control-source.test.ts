/** A proxy's configuration from a control plane in Node: pushed, polled for, or what was in force last. */
import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  chmodSync,
  mkdirSync,
  utimesSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { certificatePem, keyPem } from '../../test/fixtures/certificates.ts';
import { serviceEntry, startTestControl } from '../../test/fixtures/control.ts';
import type { TestControl } from '../../test/fixtures/control.ts';
import { createNodeHost } from '../host.ts';
import { Plane } from '../plane.ts';
import { GivenSecrets } from '../secrets.ts';
import type { ControlTiming } from './control-source.ts';
import { createControlSource } from './control-source.ts';
import { createLastGood, noLastGood } from './last-good.ts';
import type { ConfigSource } from './source.ts';
import { applyWith } from './source.ts';
import { answerKeys } from '../../test/fixtures/keys.ts';

const scope: ProxyScope = { type: 'sidecar-outbound', namespace: 'default', name: 'a', labels: {} };
const gateway: ProxyScope = {
  type: 'gateway',
  namespace: 'edge',
  name: 'front',
  labels: { app: 'front' },
};
const host = createNodeHost({
  log: () => undefined,
  dial: () => Promise.reject(new Error('nobody is called')),
});
const QUICK: Partial<ControlTiming> = {
  backoffMs: 20,
  maxBackoffMs: 100,
  pollMs: 100,
  lastGoodMs: 300,
  readyMs: 5000,
};

interface Proxy {
  readonly source: ConfigSource;
  readonly planes: readonly Plane[];
  readonly secrets: GivenSecrets;
  readonly lines: string[];
  /** Refuses everything, saying so. */
  refusal: string | undefined;
  applied: number;
}

const folder = mkdtempSync(join(tmpdir(), 'lateen-node-'));
let control: TestControl;
let proxies: Proxy[] = [];
let servers: Server[] = [];

beforeEach(async () => {
  control = await startTestControl();
});
afterEach(async () => {
  await Promise.all(proxies.map(({ source }) => source.stop()));
  proxies = [];
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  servers = [];
  await control.close();
  rmSync(folder, { recursive: true, force: true });
});

async function token(scopes: readonly ProxyScope[]): Promise<string> {
  const body = JSON.stringify({ name: 'proxy', role: 'proxy', scopes });
  return String((await control.ask('POST', '/v1/tokens', { body })).body['token']);
}

async function apply(body: string): Promise<void> {
  expect((await control.ask('POST', '/v1/apply', { body })).status).toBe(200);
}

const status = async (): Promise<unknown> => {
  const { items } = (await control.ask('GET', '/v1/proxies')).body as { items: unknown[] };
  return items[0];
};

interface Wanted {
  readonly url?: string;
  readonly token: string;
  readonly scopes?: readonly ProxyScope[];
  readonly keep?: boolean;
  readonly timing?: Partial<ControlTiming>;
}

function proxy({
  url = control.url,
  token,
  scopes = [scope],
  keep = false,
  timing,
}: Wanted): Proxy {
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const secrets = new GivenSecrets();
  const planes: Plane[] = scopes.map(
    (own) =>
      new Plane({
        host,
        scope: own,
        refreshKeys: (uri, kid) => made.source.refreshKeys(own, uri, kid),
      }),
  );
  const inForce = applyWith(
    async (own, configuration) => {
      made.applied++;
      return planes.find((plane) => plane.scope === own)?.apply(configuration) ?? 'superseded';
    },
    (fault) => log(String(fault)),
  );
  const made: Proxy = {
    planes,
    secrets,
    lines,
    refusal: undefined,
    applied: 0,
    source: createControlSource({
      url,
      token,
      scopes,
      instance: 'one',
      async apply(own, configuration): Promise<readonly Diagnostic[]> {
        return made.refusal === undefined
          ? inForce(own, configuration)
          : [{ code: 'LAT0201', level: 'error', message: made.refusal }];
      },
      secrets,
      lastGood: keep ? createLastGood({ directory: folder, log }) : noLastGood,
      clock: host.clock,
      log,
      timing: { ...QUICK, ...timing },
    }),
  };
  proxies.push(made);
  return made;
}

/** What a plane's clusters are named for. */
const services = (plane: Plane | undefined): readonly string[] =>
  [...(plane?.linked?.clusters.values() ?? [])].map(({ cluster }) => cluster.service);

const inForce = (one: Proxy, service: string): Promise<void> =>
  expect
    .poll(() => services(one.planes[0]), { timeout: 5000, interval: 20 })
    .toContain(`${service}.example.com`);

/** Between a proxy and the control plane: no WebSocket comes through, and what is asked is counted. */
async function withoutSocket(
  isLost: (path: string) => boolean = () => false,
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((incoming, outgoing) => {
    const { method, url = '' } = incoming;
    asked.push(`${method} ${url}`);
    if (isLost(url)) {
      outgoing.writeHead(503).end();
      return;
    }
    const forward = async (): Promise<void> => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const answer = await fetch(control.url + incoming.url, {
        method: incoming.method ?? 'GET',
        headers: {
          authorization: incoming.headers.authorization ?? '',
          'x-lateen-instance': String(incoming.headers['x-lateen-instance'] ?? ''),
          ...(incoming.headers['if-none-match'] === undefined
            ? {}
            : { 'if-none-match': incoming.headers['if-none-match'] }),
        },
        ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
      });
      outgoing.writeHead(answer.status).end(await answer.text());
    };
    // The test may be over, and the control plane gone.
    forward().catch(() => outgoing.destroy());
  });
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

describe('configuration from a control plane', () => {
  it('is in force when it starts, changes with what is applied, and is acknowledged', async () => {
    await apply(serviceEntry('first'));
    const one = proxy({ token: await token([scope]) });
    await one.source.start();
    expect(services(one.planes[0])).toContain('first.example.com');
    await expect.poll(status).toMatchObject({ state: 'SYNCED', instances: 1, programmed: 1 });
    await apply(serviceEntry('second'));
    await inForce(one, 'second');
    await expect.poll(status).toMatchObject({ state: 'SYNCED' });
    expect(one.lines).toEqual([]);
  });

  it('stays as it was where a new one is refused', async () => {
    await apply(serviceEntry('first'));
    const one = proxy({ token: await token([scope]) });
    await one.source.start();
    one.refusal = 'no such filter';
    await apply(serviceEntry('second'));
    await expect
      .poll(status)
      .toMatchObject({ state: 'ERROR', diagnostics: [{ message: 'no such filter' }] });
    expect(services(one.planes[0])).not.toContain('second.example.com');
    one.refusal = undefined;
    await apply(serviceEntry('third'));
    await inForce(one, 'third');
    await expect.poll(status).toMatchObject({ state: 'SYNCED' });
  });

  it('changes no more behind the end, whoever asks for fresher keys', async () => {
    await apply(serviceEntry('first'));
    const one = proxy({ token: await token([scope]) });
    await one.source.start();
    await expect.poll(status).toMatchObject({ state: 'SYNCED' });
    await one.source.stop();
    await apply(serviceEntry('second'));
    await one.source.refreshKeys(scope, 'https://issuer.test/jwks.json', 'new');
    expect(one.applied).toBe(1);
    expect(services(one.planes[0])).not.toContain('second.example.com');
    expect(one.lines).toEqual([]);
    expect(await status()).toMatchObject({ diagnostics: [] });
  });

  it('comes for several scopes over one socket, and what is large by HTTP', async () => {
    const many = Array.from({ length: 1500 }, (_, index) => serviceEntry(`large${index}`));
    await apply(many.join('---\n'));
    const one = proxy({ token: await token([scope, gateway]), scopes: [scope, gateway] });
    await one.source.start();
    expect(services(one.planes[0])).toHaveLength(1500);
    expect(one.planes[1]?.linked?.named.snapshot.scope.name).toBe('front');
  });

  it('survives a cut, and follows again when the control plane is back', async () => {
    await control.close();
    mkdirSync(folder, { recursive: true });
    const database = join(folder, 'control.sqlite');
    control = await startTestControl({ database });
    await apply(serviceEntry('first'));
    const one = proxy({ token: await token([scope]) });
    await one.source.start();
    await expect.poll(status).toMatchObject({ state: 'SYNCED' });
    const port = Number(new URL(control.url).port);
    await control.close();
    await expect.poll(() => one.lines.join()).toContain('can not be reached');
    expect(services(one.planes[0])).toContain('first.example.com');
    control = await startTestControl({ database, port });
    await apply(serviceEntry('second'));
    await inForce(one, 'second');
    await expect.poll(status).toMatchObject({ state: 'SYNCED', instances: 1 });
    await expect.poll(() => one.lines.join()).toContain('is back');
    const before = one.applied;
    await expect.poll(status).toMatchObject({ programmed: 1 });
    expect(one.applied).toBe(before);
  });

  it('is polled for where no WebSocket can be had', async () => {
    await apply(serviceEntry('first'));
    const { url, asked } = await withoutSocket();
    const one = proxy({ url, token: await token([scope]) });
    await one.source.start();
    expect(services(one.planes[0])).toContain('first.example.com');
    await apply(serviceEntry('second'));
    await inForce(one, 'second');
    await expect.poll(status).toMatchObject({ state: 'SYNCED', programmed: 1 });
    const before = asked.filter((line) => line.endsWith('/blobs')).length;
    await expect
      .poll(() => asked.filter((line) => line.endsWith('/pointer')).length)
      .toBeGreaterThan(4);
    expect(asked.filter((line) => line.endsWith('/blobs')).length).toBe(before);
    expect(one.lines).toHaveLength(1);
  });

  it('is refused where the control plane hears of it, whatever became of the first word', async () => {
    await apply(serviceEntry('first'));
    let acks = 0;
    const { url } = await withoutSocket((path) => path.endsWith('/ack') && ++acks === 2);
    const one = proxy({ url, token: await token([scope]) });
    await one.source.start();
    await expect.poll(() => acks).toBe(1);
    one.refusal = 'no such filter';
    await apply(serviceEntry('second'));
    await expect.poll(() => acks).toBeGreaterThan(1);
    await expect
      .poll(status)
      .toMatchObject({ state: 'ERROR', diagnostics: [{ message: 'no such filter' }] });
    expect(one.lines.filter((line) => line.includes('was refused'))).toHaveLength(1);
  });

  it('goes on when the token is revoked, and says so', async () => {
    await apply(serviceEntry('first'));
    const secret = await token([scope]);
    const one = proxy({ token: secret });
    await one.source.start();
    await control.ask('DELETE', `/v1/tokens/${secret.split('_')[1] ?? ''}`);
    await expect.poll(() => one.lines.join()).toContain('revoked');
    await expect.poll(() => one.lines.join()).toContain('401');
    expect(services(one.planes[0])).toContain('first.example.com');
  });

  it('fetches fresher keys once for all who meet an unknown kid', async () => {
    let kid = 'old';
    let fetched = 0;
    const issuer = createServer((_request, response) => {
      fetched++;
      answerKeys(response, kid);
    });
    servers.push(issuer);
    await new Promise<void>((resolve) => {
      issuer.listen(0, '127.0.0.1', resolve);
    });
    const uri = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks.json`;
    let aheadMs = 0;
    await control.close();
    control = await startTestControl({ nowMs: () => Date.now() + aheadMs });
    await apply(
      `apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: jwt, namespace: edge}\nspec: {jwtRules: [{issuer: "https://issuer.test", jwksUri: "${uri}"}]}\n`,
    );
    const one = proxy({ token: await token([gateway]), scopes: [gateway] });
    await one.source.start();
    kid = 'new';
    aheadMs = 40_000;
    const before = one.planes[0]?.linked?.pointer.keys;
    await Promise.all([1, 2, 3].map(() => one.source.refreshKeys(gateway, uri, 'new')));
    expect(one.planes[0]?.linked?.pointer.keys).not.toBe(before);
    expect(fetched).toBe(2);
  });

  it('brings secrets before the listeners that name them, and renewed ones alone', async () => {
    const indented = (text: string): string => text.replaceAll(/^/gm, '    ');
    const secret = (certificate: string): string =>
      `apiVersion: v1\nkind: Secret\nmetadata: {name: cert, namespace: edge}\nstringData:\n  tls.crt: |\n${indented(certificate)}\n  tls.key: |\n${indented(keyPem)}\n`;
    await apply(
      `${secret(certificatePem)}---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: edge}\nspec: {selector: {app: front}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: cert}}]}\n`,
    );
    const one = proxy({ token: await token([gateway]), scopes: [gateway], keep: true });
    let changes = 0;
    one.secrets.onChange(() => changes++);
    await one.source.start();
    expect(one.secrets.get('edge/cert')).toMatchObject({ key: keyPem });
    const { applied } = one;
    await apply(secret(certificatePem.replace('MII', 'MIJ')));
    await expect.poll(() => one.secrets.get('edge/cert')?.certificate).toContain('MIJ');
    expect([one.applied, changes]).toEqual([applied, 2]);
    await one.source.stop();
    const [file = ''] = readdirSync(folder);
    expect(readFileSync(join(folder, file), 'utf8')).not.toContain('PRIVATE');
  });
});

it('keeps secrets of what is in force where a new one is refused', async () => {
  const indented = (text: string): string => text.replaceAll(/^/gm, '    ');
  const withSecret = (name: string): string =>
    `apiVersion: v1\nkind: Secret\nmetadata: {name: ${name}, namespace: edge}\nstringData:\n  tls.crt: |\n${indented(certificatePem)}\n  tls.key: |\n${indented(keyPem)}\n---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: edge}\nspec: {selector: {app: front}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: ${name}}}]}\n`;
  await apply(withSecret('old'));
  const one = proxy({ token: await token([gateway]), scopes: [gateway] });
  await one.source.start();
  one.refusal = 'no such filter';
  await apply(withSecret('new'));
  await expect.poll(status).toMatchObject({ state: 'ERROR' });
  expect(one.secrets.get('edge/new')).toBeDefined();
  expect(one.secrets.get('edge/old')).toBeDefined();
  one.refusal = undefined;
  await apply(withSecret('new').replace('443', '8443'));
  await expect.poll(status).toMatchObject({ state: 'SYNCED' });
  expect(one.secrets.get('edge/new')).toBeDefined();
  expect(one.secrets.get('edge/old')).toBeUndefined();
});

describe('what was in force last', () => {
  /** A proxy that ran, and whose control plane is away now. */
  async function ran(): Promise<string> {
    await apply(serviceEntry('kept'));
    const secret = await token([scope]);
    const before = proxy({ token: secret, keep: true });
    await before.source.start();
    await before.source.stop();
    return secret;
  }
  const file = (): string => join(folder, readdirSync(folder)[0] ?? '');

  it('is run when control is away, from a file of the owner alone', async () => {
    mkdirSync(folder, { recursive: true });
    const draft = join(folder, 'left.json.0123456789ab.tmp');
    writeFileSync(draft, 'half');
    utimesSync(draft, 0, 0);
    const secret = await ran();
    const { url } = control;
    await control.close();
    expect(readdirSync(folder)).toHaveLength(1);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    const next = proxy({ url, token: secret, keep: true });
    await next.source.start();
    expect(services(next.planes[0])).toContain('kept.example.com');
    expect(next.lines.join()).toContain('in force last');
    control = await startTestControl();
  });

  it("spares what needn't be sent, and is not run when control answers", async () => {
    const secret = await ran();
    await apply(serviceEntry('newer'));
    const next = proxy({ token: secret, keep: true, timing: { lastGoodMs: 3000 } });
    await next.source.start();
    expect(services(next.planes[0])).toContain('newer.example.com');
    expect([next.applied, next.lines]).toEqual([1, []]);
  });

  it('is nothing where it is cut, changed, of others, or not ours', async () => {
    const secret = await ran();
    const { url } = control;
    await control.close();
    const good = readFileSync(file());
    const spoilt: [string, (path: string) => void][] = [
      ['checksum', (path) => writeFileSync(path, good.subarray(0, good.length - 200))],
      ['checksum', (path) => writeFileSync(path, String(good).replace('kept', 'evil'))],
      ['not written by', (path) => writeFileSync(path, '{"any":"thing"}')],
      ['others may have written', (path) => chmodSync(path, 0o666)],
    ];
    for (const [cause, spoil] of spoilt) {
      writeFileSync(file(), good);
      chmodSync(file(), 0o600);
      spoil(file());
      const next = proxy({ url, token: secret, keep: true, timing: { readyMs: 400 } });
      await next.source.start();
      expect(next.planes[0]?.linked).toBeUndefined();
      expect(next.lines.join()).toContain(cause);
      await next.source.stop();
    }
    control = await startTestControl();
  });
});
