/** What the Bookinfo services share: a small server, a client that passes context on. */
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ServiceOptions {
  readonly version: string;
  /** 0 = any free port. @default 0 */
  readonly port?: number;
  /** Base URL that calls to other services go to; undefined until it is known. */
  readonly outbound?: () => string | undefined;
}

export interface RunningService {
  readonly name: string;
  readonly version: string;
  readonly port: number;
  close(): Promise<void>;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;

export async function startService(
  name: string,
  options: ServiceOptions,
  handler: Handler,
): Promise<RunningService> {
  const server = createServer((request, response) => {
    void Promise.resolve()
      .then(() => handler(request, response))
      .catch(() => {
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  return {
    name,
    version: options.version,
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

/** Trace context and the user travel with every call. */
const PASSED_ON = [
  'x-request-id',
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-sampled',
  'end-user',
  'user-agent',
  'authorization',
  'cookie',
];

export function contextOf(headers: IncomingHttpHeaders): Record<string, string> {
  const context: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = headers[name];
    if (typeof value === 'string') context[name] = value;
  }
  return context;
}

export interface Call {
  /** Base URL of the caller's outbound gateway. */
  readonly base: string | undefined;
  /** Whom it is for, as `reviews:9080`. */
  readonly authority: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface Answer {
  /** 0 = none came. */
  readonly status: number;
  readonly body: string;
}

export function callService(call: Call): Promise<Answer> {
  const { base } = call;
  if (base === undefined) return Promise.resolve({ status: 0, body: '' });
  return new Promise((resolve) => {
    const fail = (): void => {
      resolve({ status: 0, body: '' });
    };
    const outgoing = httpRequest(
      base + call.path,
      {
        headers: { ...call.headers, host: call.authority },
        signal: AbortSignal.timeout(call.timeoutMs),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(chunks).toString('utf8'),
          });
        });
      },
    );
    outgoing.on('error', fail);
    outgoing.end();
  });
}
