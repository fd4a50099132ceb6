/**
 * Servers that say who they are and what they got: `node examples/recipes/echo.ts` starts those of services.yaml.
 * Each answers JSON {name, method, path, headers}, and keeps count of what it saw.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';

export interface EchoServer {
  readonly name: string;
  readonly port: number;
  /** Paths, oldest first. */
  readonly seen: string[];
  close(): Promise<void>;
}

/** Name and the port that services.yaml has for it. */
export const SERVERS: Readonly<Record<string, number>> = {
  'shop-v1': 9301,
  'shop-v2': 9302,
  cart: 9303,
  bank: 9304,
};

function answer(name: string, request: IncomingMessage): string {
  const { method, url: path, headers } = request;
  return JSON.stringify({ name, method, path, headers });
}

/** Port 0 = any that is free. */
export async function startEcho(name: string, port: number): Promise<EchoServer> {
  const seen: string[] = [];
  const server: Server = createServer((request, response) => {
    seen.push(request.url ?? '');
    request.resume();
    request.on('end', () => {
      response.setHeader('content-type', 'application/json');
      response.end(answer(name, request));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    name,
    seen,
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  for (const [name, port] of Object.entries(SERVERS)) {
    await startEcho(name, port);
    console.log(`${name} listens on http://127.0.0.1:${port}`);
  }
