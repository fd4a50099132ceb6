/** Processes that bench/tcp.ts starts: `proxy PORT` carries to that port, `echo` answers what comes, `sink` throws it away. */
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { startCarriedProxy } from '../test/fixtures/tcp-proxy.ts';

const [role, upstream = '0'] = process.argv.slice(2);

/** Whoever started it reads the port, and ends it by its standard input. */
function ready(port: number): void {
  console.log(`port ${port}`);
  process.stdin.on('end', () => process.exit(0)).resume();
}

async function listen(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  ready((server.address() as AddressInfo).port);
}

if (role === 'proxy') ready((await startCarriedProxy({ ports: [Number(upstream)] })).port);
else {
  const buffer = Buffer.allocUnsafeSlow(262_144);
  await listen(
    createServer({ noDelay: true, highWaterMark: buffer.length }, (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        if (role === 'echo') socket.write(chunk);
      });
    }),
  );
}
