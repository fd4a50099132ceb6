/** Nodes of several processes behind a control plane: one instance each, secrets in every worker, last good on disk. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ADMIN, startTestControl } from '../fixtures/control.ts';
import type { TestControl } from '../fixtures/control.ts';
import { createBench, shopMesh, waitFor } from '../fixtures/node-process.ts';
import type { Bench, Lateen } from '../fixtures/node-process.ts';
import { Pki } from '../fixtures/pki.ts';

// Each test starts processes, beside whatever else this machine has to do.
vi.setConfig({ testTimeout: 90_000 });

let bench: Bench;
let control: TestControl;
beforeEach(async () => {
  bench = await createBench();
  control = await startTestControl();
});
afterEach(async () => {
  await bench.close();
  await control.close().catch(() => undefined);
});

function start(...more: readonly string[]): Lateen {
  return bench.start([
    'gateway',
    '--server',
    control.url,
    '--map',
    `80=${bench.port}`,
    '--listen',
    '127.0.0.1',
    '--admin',
    bench.admin,
    '--workers',
    '2',
    ...more,
  ]);
}

async function apply(text: string): Promise<void> {
  const { status, body: answer } = await control.ask('POST', '/v1/apply', { body: text });
  if (status !== 200) throw new Error(JSON.stringify(answer));
}

/** Each on a connection of its own, so that every worker is met. */
async function bodies(path: string): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let i = 0; i < 12; i++) {
    const response = await fetch(`http://127.0.0.1:${bench.port}${path}`, {
      headers: { connection: 'close' },
    });
    found.add(`${response.status} ${await response.text()}`);
  }
  return found;
}

function peerNames(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, ca, checkServerIdentity: () => undefined };
    const socket = connect(options, () => {
      resolve(socket.getPeerCertificate().subjectaltname ?? '');
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

describe('gateway of two workers behind a control plane', () => {
  it('makes a token of its own, is one instance, takes changes in every worker', async () => {
    await apply(shopMesh(bench.app.port));
    const gateway = start('--token', ADMIN, '--service-account', 'front');
    await gateway.until(/is ready in/);
    const tokens = await control.ask('GET', '/v1/tokens');
    expect(tokens.body['items']).toMatchObject([
      { role: 'proxy', name: 'ingressgateway', serviceAccount: 'front' },
    ]);
    const file = join(bench.folder, '.lateen', 'proxy', 'default.ingressgateway.token.json');
    const { token } = JSON.parse(readFileSync(file, 'utf8')) as { readonly token: string };
    expect(token).not.toBe(ADMIN);
    const { body } = await control.ask('GET', '/v1/proxies');
    expect(body['items']).toMatchObject([
      { instances: 1, state: 'SYNCED', runtimes: { edge: 0, node: 1 } },
    ]);
    expect(await bodies('/')).toEqual(new Set(['200 app /']));
    await apply(
      shopMesh(bench.app.port).replace(
        '{route: [{destination: {host: shop.default.svc.cluster.local}}]}]',
        '{directResponse: {status: 418, body: {string: changed}}}]',
      ),
    );
    await waitFor('the change in every worker', async () => {
      const found = await bodies('/');
      return found.size === 1 && found.has('418 changed');
    });
  });

  it('starts with what was in force last when control is away', async () => {
    await apply(shopMesh(bench.app.port));
    const first = start('--token', ADMIN);
    await first.until(/is ready in/);
    await control.close();
    expect(await bodies('/')).toEqual(new Set(['200 app /']));
    first.kill('SIGTERM');
    await first.ended;
    const second = start('--token', ADMIN);
    await second.until(/is ready in/);
    await second.until(/runs the configuration that was in force last/);
    expect(await bodies('/')).toEqual(new Set(['200 app /']));
    expect((await bench.run(['node', 'restart'])).stdout).toContain('took over');
    expect(await bodies('/')).toEqual(new Set(['200 app /']));
  });

  it('shows every worker the certificates, and replaces them without a restart', async () => {
    const pki = new Pki();
    const authority = pki.authority('root');
    const secured = (names: string): string => {
      const { certificate, key } = authority.issue({ names });
      const inline = (text: string): string => Buffer.from(text).toString('base64');
      const gateway = shopMesh(bench.app.port).replace(
        'port: {number: 80, name: http, protocol: HTTP}',
        'tls: {mode: SIMPLE, credentialName: front}, port: {number: 80, name: https, protocol: HTTPS}',
      );
      return `${gateway}---
apiVersion: v1
kind: Secret
metadata: {name: front}
type: kubernetes.io/tls
data: {tls.crt: ${inline(certificate)}, tls.key: ${inline(key)}}
`;
    };
    const names = async (): Promise<ReadonlySet<string>> => {
      const found = new Set<string>();
      for (let i = 0; i < 8; i++) found.add(await peerNames(bench.port, authority.certificate));
      return found;
    };
    await apply(secured('DNS:one.test'));
    await start('--token', ADMIN).until(/is ready in/);
    expect(await names()).toEqual(new Set(['DNS:one.test']));
    const { stdout } = await bench.run(['proxy-config', 'secrets', '--admin', bench.admin]);
    expect(stdout).toMatch(/default\/front +true .*DNS:one\.test/);
    await apply(secured('DNS:two.test'));
    await waitFor('the new one everywhere', async () => {
      const found = await names();
      return found.size === 1 && found.has('DNS:two.test');
    });
    pki.remove();
  });

  it('waits for configuration, and is ended while it waits', async () => {
    const gateway = start('--token', ADMIN);
    await waitFor('the endpoint', async () => (await bench.ask('/readyz')).status === 503);
    gateway.kill('SIGTERM');
    expect((await gateway.ended).code).toBe(143);
  });
});
