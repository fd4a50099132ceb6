/** A proxy's own endpoint, on loopback or a Unix socket: health, what it runs, counters, log, drain. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { HandedHandle } from '../listening.ts';
import type { CertificateView } from './certificates.ts';
import { openPath } from './unix-path.ts';
import type { ProxyView } from './view.ts';

export type AdminAt = { readonly host: string; readonly port: number } | { readonly path: string };

export interface Restarted {
  /** Of the process that took over. */
  readonly pid: number;
}

export interface AdminOptions {
  readonly at: AdminAt;
  /** A socket for it that somebody else owns. @default one of our own */
  readonly handle?: HandedHandle;
  readonly proxy: ProxyView;
  /** Access log on or off. */
  readonly accessLog: { isOn: boolean };
  /** Which certificates there are, without their keys. */
  readonly certificates: () => readonly CertificateView[];
  /** Begins a drain; the process ends behind it. */
  readonly onDrain: () => void;
  /** @throws Error that says why it goes on as it is. @default it can't be restarted */
  readonly onRestart?: () => Promise<Restarted>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const text = (status: number, body: string): Answer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${body}\n`,
});
const json = (value: unknown): Answer => ({
  status: 200,
  type: 'application/json',
  body: `${JSON.stringify(value, undefined, 2)}\n`,
});

const PATHS =
  '/healthz /readyz /node /config_dump /clusters /listeners /certs /stats /logging /drain /restart';

function ready({ proxy }: AdminOptions): Answer {
  const lacks = proxy.lacks();
  return lacks === undefined ? text(200, 'ready') : text(503, lacks);
}

async function restart({ onRestart }: AdminOptions, method: string): Promise<Answer> {
  if (method !== 'POST') return text(405, 'POST restarts');
  if (onRestart === undefined) return text(409, 'this process is no node of its own');
  try {
    return json(await onRestart());
  } catch (error) {
    return text(409, error instanceof Error ? error.message : 'unknown');
  }
}

function logging({ accessLog }: AdminOptions, method: string, query: URLSearchParams): Answer {
  const wanted = query.get('access');
  if (wanted === null) return json({ access: accessLog.isOn ? 'on' : 'off' });
  if (method !== 'POST') return text(405, 'POST changes it');
  if (wanted !== 'on' && wanted !== 'off') return text(400, `access=${wanted}: want on or off`);
  accessLog.isOn = wanted === 'on';
  return json({ access: wanted });
}

async function answer(options: AdminOptions, method: string, url: URL): Promise<Answer> {
  const { proxy } = options;
  switch (url.pathname) {
    case '/healthz':
      return text(200, 'ok');
    case '/readyz':
      return ready(options);
    case '/config_dump':
      return json(proxy.dump());
    case '/node':
      return json(proxy.about());
    case '/clusters':
      return json({ clusters: await proxy.clusters() });
    case '/listeners':
      return json({ listeners: await proxy.listening() });
    case '/certs':
      return json({ certificates: options.certificates() });
    case '/stats':
      return { ...text(200, ''), type: 'text/plain; version=0.0.4', body: await proxy.stats() };
    case '/logging':
      return logging(options, method, url.searchParams);
    case '/drain':
      if (method !== 'POST') return text(405, 'POST drains');
      options.onDrain();
      return text(202, 'draining');
    case '/restart':
      return restart(options, method);
    default:
      return text(404, `no ${url.pathname}: ${PATHS}`);
  }
}

/** A page in somebody's browser must not reach it: names that lead to loopback are refused as hosts. */
function isLocal({ headers }: IncomingMessage, at: AdminAt): boolean {
  if ('path' in at) return true;
  const name = (headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  return ['127.0.0.1', '[::1]', 'localhost', at.host.toLowerCase()].includes(name);
}

async function given(request: IncomingMessage, options: AdminOptions): Promise<Answer> {
  const { method = 'GET', headers, url = '/' } = request;
  if (!isLocal(request, options.at)) return text(403, 'ask by a loopback address');
  const isRead = method === 'GET' || method === 'HEAD';
  if (!isRead && method !== 'POST') return text(405, 'want GET or POST');
  // A page in a browser can post to loopback without asking first; then it says where it is from.
  if (!isRead && headers.origin !== undefined) return text(403, 'not from a browser');
  const parsed = URL.parse(url, 'http://admin');
  return parsed === null ? text(400, 'no such path') : answer(options, method, parsed);
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  options: AdminOptions,
): Promise<void> {
  const answered = await given(request, options).catch((error: unknown) =>
    text(500, error instanceof Error ? error.message : 'unknown'),
  );
  request.resume();
  response.writeHead(answered.status, {
    'content-type': answered.type,
    'content-length': Buffer.byteLength(answered.body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : answered.body);
}

export interface AdminServer {
  /** URL, or path of the socket. */
  readonly address: string;
  /** Takes nothing new; what is asked is answered. */
  stop(): void;
  close(): Promise<void>;
}

const ANSWER_MS = 1000;

/** @throws Error of the system when the address can't be had */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const { at, handle } = options;
  const server: Server = createServer((request, response) => {
    void respond(request, response, options);
  });
  const path = 'path' in at ? openPath(at.path) : undefined;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    if (handle === undefined) server.listen('path' in at ? { path: path?.draft } : at, resolve);
    else server.listen(handle.handle, resolve);
  });
  path?.publish();
  server.unref();
  return {
    address: path === undefined ? addressOf(server) : path.name,
    stop: () => {
      server.close();
    },
    close: () =>
      new Promise((resolve) => {
        path?.remove();
        server.close(() => resolve());
        // Who asked for the end is still to be answered.
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), ANSWER_MS).unref();
      }),
  };
}

function addressOf(server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return bound ?? '';
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return `http://${host}:${bound.port}`;
}
