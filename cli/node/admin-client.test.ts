import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { adminClient } from './admin-client.ts';

it('waits for a proxy that hangs no longer than it takes to be sure', async () => {
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const asked = adminClient(at, 100)('GET', '/node');
  await expect(asked).rejects.toThrow(`the proxy at ${at} does not answer`);
  server.closeAllConnections();
  server.close();
});
