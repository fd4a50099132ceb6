/** Sidecars that join a mesh by a token: mutual TLS between them, and what operators see of it. */
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ADMIN } from '../fixtures/control.ts';
import { createBench } from '../fixtures/node-process.ts';
import type { Bench } from '../fixtures/node-process.ts';
import { CLIENT, SERVER, startCertifiedControl, startMtlsMesh } from '../fixtures/mtls-mesh.ts';
import type { CertifiedControl, MtlsMesh } from '../fixtures/mtls-mesh.ts';

// Each test starts processes, beside whatever else this machine has to do.
vi.setConfig({ testTimeout: 120_000 });

let mesh: MtlsMesh | undefined;
afterEach(async () => {
  await mesh?.close();
  mesh = undefined;
});
const start = async (): Promise<MtlsMesh> => {
  mesh = await startMtlsMesh();
  return mesh;
};

const get = async (port: number): Promise<string> => {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/cart`);
    return `${response.status} ${await response.text()}`;
  } catch {
    return 'closed';
  }
};

describe('sidecars that joined', () => {
  it('talk mutual TLS, and nobody else is let in', async () => {
    const mesh = await start();
    expect(await get(mesh.port)).toBe('200 app /cart');
    expect(await get(mesh.sidecarPort)).toBe('closed');
    const { stdout } = await mesh.bench.run([
      'proxy-config',
      'secrets',
      '--admin',
      mesh.admins.client,
    ]);
    expect(stdout).toMatch(new RegExp(`workload +true .*${CLIENT}`));
    const shown = await (await fetch(`http://${mesh.admins.server}/certs`)).text();
    expect(shown).toContain(SERVER);
    const stats = await (await fetch(`http://${mesh.admins.client}/stats`)).text();
    expect(stats).toMatch(
      /lateen_certificate_expiry_seconds\{identity="spiffe:[^"]+"\} 86[34]\d\d/,
    );
    const folder = join(mesh.bench.folder, 'client');
    const file = join(
      folder,
      readdirSync(folder).find((name) => name.endsWith('identity.json')) ?? '',
    );
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const everything = [mesh.client, mesh.server]
      .map(({ stdout, stderr }) => stdout + stderr)
      .join('\n');
    expect(everything + mesh.control.lines.join('\n')).not.toMatch(/PRIVATE KEY|latjoin_/);
    expect(readFileSync(file, 'utf8')).toContain('PRIVATE KEY');
  });

  it('do not start with a token that was used, and say why', async () => {
    const mesh = await start();
    const { bench, control } = mesh;
    const token = await control.joinToken(CLIENT);
    const file = join(bench.folder, 'token');
    writeFileSync(file, `${token}\n`, { mode: 0o600 });
    const args = (name: string): readonly string[] => [
      'sidecar',
      '--service',
      name,
      '--server',
      control.url,
      '--token',
      ADMIN,
      '--app',
      '1',
      '--inbound',
      '127.0.0.1:0',
      '--no-proxy',
      '--admin',
      'off',
      '--join-token',
      `@${file}`,
      '--data-dir',
      join(bench.folder, name),
    ];
    await bench.start(args('first')).until(/is ready in/);
    const second = await bench.run(args('second'));
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/was used already: .*lateen join-token create/);
    expect(existsSync(join(bench.folder, 'second', 'sidecar.default.second.identity.json'))).toBe(
      false,
    );
  });
});

describe('lateen join-token', () => {
  let control: CertifiedControl;
  let bench: Bench;
  beforeEach(async () => {
    bench = await createBench();
    control = await startCertifiedControl();
  });
  afterEach(async () => {
    await control.close();
    await bench.close();
  });

  it('makes, lists and revokes tokens', async () => {
    const run = (...args: readonly string[]): ReturnType<Bench['run']> =>
      bench.run(['join-token', ...args, '--server', control.url, '--token', ADMIN]);
    const made = await run('create', '--identity', SERVER, '--ttl', '5m', '--cidr', '127.0.0.0/8');
    const [, id = ''] = /^latjoin_([0-9a-f]{16})_/.exec(made.stdout) ?? [];
    expect(made.stderr).toContain(`join token ${id} for ${SERVER}`);
    const { stdout } = await run('list');
    expect(stdout).toMatch(new RegExp(`${id} .*usable .*127\\.0\\.0\\.0/8`));
    expect(stdout).not.toContain('latjoin_');
    expect((await run('revoke', id)).stdout).toContain('revoked');
    expect((await run('create', '--identity', SERVER, '--ttl', '1h')).stderr).toMatch(
      /--ttl 1h: want 1s to 15m/,
    );
  });
});
