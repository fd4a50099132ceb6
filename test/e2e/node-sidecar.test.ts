/** A sidecar beside an application: started before it, waits for it, ends behind it. */
import { request } from 'node:http';
import { createServer } from 'node:net';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../cli/up/ports.ts';
import { createBench, shopMesh, startApp, startLoad, waitFor } from '../fixtures/node-process.ts';
import { Pki } from '../fixtures/pki.ts';
import type { Bench, Lateen } from '../fixtures/node-process.ts';

// Each test starts processes, beside whatever else this machine has to do.
vi.setConfig({ testTimeout: 90_000 });

let bench: Bench;
let proxyPort: number;
beforeEach(async () => {
  bench = await createBench();
  proxyPort = await freePort();
});
afterEach(async () => {
  await bench.close();
});

/** Whoever is started as the application listens on the port that is its last argument. */
const APP = `
const [port, startMs = '0'] = process.argv.slice(1);
console.log('application starts');
setTimeout(() => require('node:http').createServer((request, response) => {
  setTimeout(() => response.end('child ' + request.url), request.url === '/slow' ? 2000 : 0);
}).listen(Number(port), '127.0.0.1', () => console.log('application listens')), Number(startMs));
process.on('SIGTERM', () => {
  console.log('application got SIGTERM');
  setTimeout(() => process.exit(7), 1000);
});
`;

function start(more: readonly string[], env: Readonly<Record<string, string>> = {}): Lateen {
  const args = [
    'sidecar',
    '--service',
    'shop',
    '--config',
    'mesh.yaml',
    '--admin',
    bench.admin,
    '--inbound',
    `127.0.0.1:${bench.port}`,
    '--proxy',
    String(proxyPort),
    ...more,
  ];
  return bench.start(args, env === undefined ? {} : { env });
}

const inbound = (path: string): Promise<string> =>
  fetch(`http://127.0.0.1:${bench.port}${path}`).then((response) => response.text());

function byProxy(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port: proxyPort, path: url, headers: { host: new URL(url).host } },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve(text));
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}

async function configureFor(appPort: number): Promise<void> {
  writeFileSync(join(bench.folder, 'mesh.yaml'), shopMesh(appPort));
}

describe('sidecar', () => {
  it('carries calls to the application, and its own', async () => {
    const sidePort = await freePort();
    const sidecar = start([
      '--app',
      `127.0.0.1:${bench.app.port}`,
      '--port',
      `${sidePort}=shop:80`,
    ]);
    await sidecar.until(/is ready in/);
    expect(sidecar.stderr).toContain(`inbound   127.0.0.1:${bench.port} -> port ${bench.app.port}`);
    expect(sidecar.stderr).toContain(
      `service   http://127.0.0.1:${sidePort} -> shop.default.svc.cluster.local:80`,
    );
    expect(sidecar.stderr).toContain('one process');
    expect(await inbound('/in')).toBe('app /in');
    expect(await byProxy('http://shop.default.svc.cluster.local/out')).toBe('app /out');
    const base = await fetch(`http://127.0.0.1:${sidePort}/base`);
    expect(await base.text()).toBe('app /base');
    sidecar.kill('SIGTERM');
    expect(await sidecar.ended).toEqual({ code: 0, signal: null });
  });

  it('ends and begins mutual TLS with the identity that it is given', async () => {
    const pki = new Pki();
    const mesh = pki.authority('mesh');
    const named = (name: string): readonly string[] => {
      const { certificate, key } = mesh.issue({
        names: `URI:spiffe://cluster.local/ns/default/sa/${name}`,
      });
      writeFileSync(pki.path(`${name}.crt`), certificate);
      writeFileSync(pki.path(`${name}.pem`), key);
      const files = ['--cert', `${name}.crt`, '--key', `${name}.pem`, '--ca', 'mesh.crt'];
      return files.map((word) => (word.startsWith('--') ? word : pki.path(word)));
    };
    writeFileSync(
      join(bench.folder, 'mesh.yaml'),
      `${shopMesh(bench.app.port)}---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web-alone}
spec: {rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/web]}}]}]}
`,
    );
    const app = ['--app', String(bench.app.port)];
    const lacking = start([...app, '--cert', pki.path('mesh.crt')]);
    expect((await lacking.ended).code).toBe(2);
    expect(lacking.stderr).toContain('--key is missing');
    await start([...app, ...named('shop')]).until(/is ready in/);
    await expect(inbound('/plain')).rejects.toThrow('fetch failed');
    const caller = async (name: string): Promise<string> => {
      writeFileSync(
        join(bench.folder, 'caller.yaml'),
        `${shopMesh(bench.port)}---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop}
spec: {host: shop.default.svc.cluster.local, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
`,
      );
      const port = await freePort();
      const args = ['sidecar', '--service', name, '--app', '1', '--config', 'caller.yaml'];
      const own = ['--admin', 'off', '--inbound', `127.0.0.1:${await freePort()}`];
      const ports = ['--no-proxy', '--port', `${port}=shop:80`, '--data-dir', name];
      const sidecar = bench.start([...args, ...own, ...ports, ...named(name)]);
      await sidecar.until(/is ready in/);
      const response = await fetch(`http://127.0.0.1:${port}/a`);
      return `${response.status} ${await response.text()}`;
    };
    expect(await caller('web')).toBe('200 app /a');
    expect(await caller('other')).toBe('403 RBAC: access denied');
    const { stdout } = await bench.run(['proxy-config', 'secrets', '--admin', bench.admin]);
    expect(stdout).toMatch(/workload .*spiffe:\/\/cluster\.local\/ns\/default\/sa\/shop/);
    pki.remove();
  });

  it('opens inbound when the application is there, not before', async () => {
    const port = await freePort();
    await configureFor(port);
    const sidecar = start(['--app', String(port), '--wait']);
    await waitFor(
      'the proxy',
      async () => (await bench.ask('/readyz')).text === 'not every port is open yet\n',
    );
    await expect(inbound('/')).rejects.toThrow('fetch failed');
    const app = await startApp(port);
    await sidecar.until(/is ready in/);
    expect(await inbound('/')).toBe('app /');
    expect((await bench.ask('/readyz')).status).toBe(200);
    app.close();
  });

  it('gives up waiting', async () => {
    const port = await freePort();
    const sidecar = start(['--app', String(port), '--wait', '500ms']);
    expect((await sidecar.ended).code).toBe(1);
    expect(sidecar.stderr).toContain(`nothing listens on 127.0.0.1:${port} after 0.5 s`);
  });

  it('starts the application behind itself, passes SIGTERM, drains behind it, ends with its code', async () => {
    const port = await freePort();
    await configureFor(port);
    const sidecar = start([
      '--app',
      String(port),
      '--wait',
      '10s',
      '--',
      process.execPath,
      '-e',
      APP,
      String(port),
      '300',
    ]);
    await sidecar.until(/application starts/);
    expect(await byProxy('http://shop.default.svc.cluster.local/').catch(() => 'refused')).not.toBe(
      'refused',
    );
    await sidecar.until(/is ready in/);
    expect(await inbound('/')).toBe('child /');
    sidecar.kill('SIGTERM');
    await sidecar.until(/application got SIGTERM/);
    // Its last calls still go through the sidecar.
    expect(await byProxy('http://shop.default.svc.cluster.local/last')).toBe('child /last');
    expect(await sidecar.ended).toEqual({ code: 7, signal: null });
  });

  it('ends with an application that ends by itself, or can not be started', async () => {
    const app = ['--app', String(bench.app.port)];
    const short = start([...app, '--', process.execPath, '-e', 'process.exit(3)']);
    expect((await short.ended).code).toBe(3);
    const missing = start([...app, '--', './no-such-program']);
    expect((await missing.ended).code).toBe(127);
    expect(missing.stderr).toContain("./no-such-program can't be started");
  });

  it('leaves no application behind on a second signal, and is not restarted under one', async () => {
    const port = await freePort();
    await configureFor(port);
    const stubborn =
      "process.on('SIGTERM', () => console.log('never')); setInterval(() => {}, 1000); console.log('child', process.pid)";
    const sidecar = start(['--app', String(port), '--', process.execPath, '-e', stubborn]);
    await sidecar.until(/child \d+/);
    await sidecar.until(/is ready in/);
    const restarted = await bench.run(['node', 'restart']);
    expect(restarted.code).toBe(1);
    expect(restarted.stderr).toContain('is a child of this process');
    const pid = Number(/child (\d+)/.exec(sidecar.stdout)?.[1]);
    sidecar.kill('SIGTERM');
    await sidecar.until(/never/);
    await new Promise((resolve) => {
      setTimeout(resolve, 600);
    });
    sidecar.kill('SIGTERM');
    expect((await sidecar.ended).code).toBe(143);
    await waitFor('the end of the application', () => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    });
  });

  it('is restarted without losing a call', async () => {
    const sidecar = start(['--app', String(bench.app.port), '--access-log', 'off']);
    await sidecar.until(/is ready in/);
    const load = startLoad({ port: bench.port, clients: 4, keepAlive: true });
    await waitFor('load', () => load.answered > 50);
    sidecar.kill('SIGUSR2');
    expect(await sidecar.ended).toEqual({ code: 0, signal: null });
    const before = load.answered;
    await waitFor('load after it', () => load.answered > before + 50);
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  it('tells systemd who it is, also behind a restart', async () => {
    const told = join(bench.folder, 'told');
    const program = join(bench.folder, 'systemd-notify');
    writeFileSync(program, `#!/bin/sh\necho "$@" >> ${told}\n`, { mode: 0o755 });
    const sidecar = start(['--app', String(bench.app.port)], {
      NOTIFY_SOCKET: '/nowhere',
      PATH: `${bench.folder}:${process.env['PATH']}`,
    });
    const lines = (): readonly string[] =>
      existsSync(told) ? readFileSync(told, 'utf8').trimEnd().split('\n') : [];
    await waitFor('the first word', () => lines().length === 1);
    sidecar.kill('SIGUSR2');
    await sidecar.ended;
    await waitFor('the second word', () => lines().length === 2);
    const { pid } = JSON.parse((await bench.ask('/node')).text) as { readonly pid: number };
    expect(lines()).toEqual([`--pid=${sidecar.pid} --ready`, `--pid=${pid} --ready`]);
  });

  it('says which port is in use, and that a port of the service is not declared', async () => {
    const squatter = createServer().listen(proxyPort, '127.0.0.1');
    const first = start(['--app', String(bench.app.port)]);
    expect((await first.ended).code).toBe(1);
    squatter.close();
    expect(first.stderr).toContain(`127.0.0.1:${proxyPort} is in use: stop what listens there`);
    const second = start([
      '--app',
      String(bench.app.port),
      '--inbound',
      `127.0.0.1:${bench.port}=1234`,
    ]);
    await second.until(/is ready in/);
    expect(second.stderr).toContain('the configuration declares no port 1234');
  });
});
