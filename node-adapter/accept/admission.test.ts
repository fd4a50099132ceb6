/** How many connections clients may have, and what becomes of one more. */
import { spawn } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { compile } from '../../src/config/compile/index.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import {
  gatewayBefore,
  gatewayScope,
  rawClient,
  startBackend,
} from '../../test/fixtures/node-proxy.ts';
import { prometheusText } from '../admin/stats.ts';
import { createSidecar } from '../sidecar.ts';
import type { Sidecar } from '../sidecar.ts';
import { descriptorLimit, shareOfClients } from './descriptors.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n';

async function gateway(
  maxConnections?: number,
): Promise<{ sidecar: Sidecar; port: number; lines: string[] }> {
  const backend = await startBackend((socket, received) => {
    if (received.endsWith('\r\n\r\n')) socket.write(OK);
  });
  const lines: string[] = [];
  const sidecar = await createSidecar({
    scopes: [gatewayScope],
    fronts: [{ kind: 'gateway', host: '127.0.0.1', portOf: () => 0 }],
    log: (line) => lines.push(line),
    ...(maxConnections === undefined ? {} : { maxConnections }),
  });
  open.push(backend, sidecar);
  const { resources } = readConfig([{ file: 'mesh', text: gatewayBefore(backend.port) }], {
    kinds,
  });
  const { named, endpoints } = compile(
    { resources: resources.map(({ resource }) => resource), scope: gatewayScope },
    policyCompilers,
  );
  await sidecar.apply('gateway', { named, endpoints, keys: { version: '', sets: {} } });
  await sidecar.listen();
  return { sidecar, port: sidecar.listening()[0]?.port ?? 0, lines };
}

const told = (lines: readonly string[]): Record<string, unknown>[] =>
  lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ details }) => details === 'connection_limit');

describe('beyond the limit', () => {
  it('connections are closed unheard, told of once, and counted', async () => {
    const { sidecar, port, lines } = await gateway(2);
    const stay = [rawClient(port), rawClient(port)];
    for (const one of stay) {
      one.write(GET);
      await one.until(/ok$/);
    }
    for (let i = 0; i < 5; i++) {
      const late = rawClient(port);
      late.write(GET);
      expect(await late.closed).toBe('');
    }
    expect(told(lines)).toEqual([
      expect.objectContaining({ flags: 'OM', port: 80, connections: 2, closed: 1 }),
    ]);
    expect(prometheusText(sidecar)).toContain('\nlateen_connections_refused_total 5\n');
    expect(prometheusText(sidecar)).toContain('\nlateen_connections_max 2\n');
    // Those that came in time go on, and the place of one that leaves is another's.
    const [first, second] = stay;
    second?.write(GET);
    await second?.until(/ok[^]*ok$/);
    first?.socket.destroy();
    await expect.poll(() => sidecar.connections).toBe(1);
    const next = rawClient(port);
    next.write(GET);
    expect(await next.until(/ok$/)).toMatch(/^HTTP\/1\.1 200 /);
    for (const one of [...stay, next]) one.socket.destroy();
  });

  it('the next line of the log comes a second later, and says how many there were', async () => {
    const { port, lines } = await gateway(1);
    const stays = rawClient(port);
    stays.write(GET);
    await stays.until(/ok$/);
    const come = async (): Promise<unknown> => rawClient(port).closed;
    for (let i = 0; i < 3; i++) await come();
    expect(told(lines)).toHaveLength(1);
    await new Promise((resolve) => {
      setTimeout(resolve, 1050);
    });
    await come();
    expect(told(lines).map(({ closed }) => closed)).toEqual([1, 3]);
    stays.socket.destroy();
  });
});

describe('the limit', () => {
  it('is half of the descriptors, less what is reserved, where nobody says another', async () => {
    const { sidecar } = await gateway();
    expect(sidecar.admission.most).toBe(shareOfClients(descriptorLimit()));
    expect([1_048_576, 1024, 100, Infinity].map(shareOfClients)).toEqual([
      524_224,
      448,
      1,
      Infinity,
    ]);
    expect((await gateway(0)).sidecar.admission.most).toBe(Infinity);
  });

  it.runIf(process.platform !== 'win32')('is of the process that asks', async () => {
    const script = `import('${new URL('descriptors.ts', import.meta.url).href}').then(({ descriptorLimit }) => console.log(descriptorLimit()))`;
    const child = spawn('/bin/sh', [
      '-c',
      'ulimit -n 321 && exec "$0" -e "$1"',
      process.execPath,
      script,
    ]);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await new Promise((resolve) => child.once('exit', resolve));
    expect(text.trim()).toBe('321');
  });
});
