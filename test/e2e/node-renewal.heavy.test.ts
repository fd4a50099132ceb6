/** Sidecars that joined, over time: renewals and an exchange of the root under load, restarts, an authority that is away. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { waitFor } from '../fixtures/node-process.ts';
import { startMtlsMesh } from '../fixtures/mtls-mesh.ts';
import type { MtlsMesh, MtlsMeshOptions } from '../fixtures/mtls-mesh.ts';
import { startPacedLoad } from '../fixtures/paced-load.ts';

// Each test starts processes, beside whatever else this machine has to do.
vi.setConfig({ testTimeout: 240_000 });

let mesh: MtlsMesh | undefined;
afterEach(async () => {
  await mesh?.close();
  mesh = undefined;
});
const start = async (options?: MtlsMeshOptions): Promise<MtlsMesh> => {
  mesh = await startMtlsMesh(options);
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

const renewals = async ({ control }: MtlsMesh): Promise<number> => {
  const { body } = await control.ask('GET', '/v1/identity/joining');
  return (body['issued'] as { readonly renewal: number }).renewal;
};

describe('certificates of five seconds', () => {
  it('are renewed, and their root exchanged, without a failed request', async () => {
    const mesh = await start({ certificateTtlMs: 5000 });
    const { control } = mesh;
    const load = startPacedLoad({ port: mesh.port, rate: 100, connections: 16 });
    await waitFor('renewals of both', async () => (await renewals(mesh)) >= 4);
    await control.startRotation();
    for (const step of ['the new root signs', 'the old root goes'])
      await waitFor(step, async () => (await control.advanceRotation()) === undefined);
    const before = await renewals(mesh);
    await waitFor(
      'renewals under the new root',
      async () => (await renewals(mesh)) >= before + 8,
    ).catch((error: unknown) => {
      throw new Error(`${mesh.client.stdout}\n${mesh.server.stdout}`, { cause: error });
    });
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.wrong).toEqual([]);
    expect(load.answered).toBe(load.due);
    expect(load.answered).toBeGreaterThan(500);
    const { body } = await control.ask('GET', '/v1/identity/rotation');
    expect(body).toMatchObject({ stage: 'steady', signer: 2 });
  });
});

describe('sidecars that joined', () => {
  it('go on over a restart, without the token', async () => {
    const mesh = await start();
    const { bench, admins } = mesh;
    const { stdout } = await bench.run(['node', 'restart', '--admin', admins.server]);
    expect(stdout).toContain('took over');
    expect(await get(mesh.port)).toBe('200 app /cart');
    const { body } = await mesh.control.ask('GET', '/v1/identity/joining');
    expect(body['issued']).toMatchObject({ 'join-token': 2 });
    expect(body['refused']).toEqual({});
  });

  it('with two workers each show the certificate in every one of them', async () => {
    const mesh = await start({ more: ['--workers', '2'] });
    for (let i = 0; i < 10; i++) expect(await get(mesh.port)).toBe('200 app /cart');
  });
});

describe('renewal', () => {
  it('goes on in every worker while there are calls', async () => {
    const mesh = await start({ certificateTtlMs: 3000, more: ['--workers', '2'] });
    const until = Date.now() + 8000;
    const seen = new Set<string>();
    while (Date.now() < until) seen.add(await get(mesh.port));
    expect([...seen]).toEqual(['200 app /cart']);
    const { body } = await mesh.control.ask('GET', '/v1/identity/joining');
    expect((body['issued'] as { renewal: number }).renewal).toBeGreaterThan(5);
  });

  it('that fails makes the proxy unready when its certificate ends', async () => {
    const mesh = await start({ certificateTtlMs: 2000 });
    await mesh.control.close();
    await waitFor('the end', async () => {
      const response = await fetch(`http://${mesh.admins.client}/readyz`);
      return (await response.text()).includes('certificate of the mesh has expired');
    });
    await mesh.client.until(/"level":"warning".*could not be renewed/);
    await mesh.client.until(/"level":"error".*could not be renewed/);
    await waitFor('closed doors', async () => (await get(mesh.port)).startsWith('503'));
  });
});
