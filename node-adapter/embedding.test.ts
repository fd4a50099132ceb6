/** A proxy inside a program, as the documentation shows it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSidecar, startAdmin, viewOf } from 'lateen/node';
import { describe, expect, it } from 'vitest';
import { compile } from '../src/config/compile/index.ts';
import { readConfig } from '../src/config/pipeline.ts';
import { kinds, policyCompilers } from '../src/presets/control.ts';
import { gatewayBefore, gatewayScope } from '../test/fixtures/node-proxy.ts';

async function startApp(): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((_request, response) => response.end('app')).listen(0, '127.0.0.1');
  await new Promise<void>((resolve) => server.once('listening', resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

describe('an embedded gateway', () => {
  it('listens, takes configuration, shows itself, drains and closes', async () => {
    const app = await startApp();
    const lines: string[] = [];
    const gateway = await createSidecar({
      scopes: [gatewayScope],
      fronts: [{ kind: 'gateway', host: '127.0.0.1', portOf: () => 0 }],
      log: (line) => lines.push(line),
    });
    const admin = await startAdmin({
      at: { host: '127.0.0.1', port: 0 },
      proxy: viewOf(gateway),
      accessLog: { isOn: true },
      certificates: () => [],
      onDrain: () => void gateway.drain(1000),
    });
    const ready = async (): Promise<number> => (await fetch(`${admin.address}/readyz`)).status;
    await gateway.listen();
    expect(await ready()).toBe(503);
    const { resources } = readConfig([{ file: 'mesh', text: gatewayBefore(app.port) }], { kinds });
    const { named, endpoints } = compile(
      { resources: resources.map(({ resource }) => resource), scope: gatewayScope },
      policyCompilers,
    );
    await gateway.apply('gateway', { named, endpoints, keys: { version: '', sets: {} } });
    await gateway.settled();
    const [at] = gateway.listening();
    const response = await fetch(`http://127.0.0.1:${at?.port}/`);
    expect(await response.text()).toBe('app');
    expect(await ready()).toBe(200);
    expect(await (await fetch(`${admin.address}/stats`)).text()).toContain('lateen_requests_total');
    expect((await fetch(`${admin.address}/restart`, { method: 'POST' })).status).toBe(409);
    await gateway.drain(1000);
    expect(await ready()).toBe(503);
    await gateway.close();
    await admin.close();
    app.close();
    expect(lines.some((line) => line.includes('"status":200'))).toBe(true);
  });
});
