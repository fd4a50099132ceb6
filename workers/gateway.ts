/**
 * The gateway worker: one build, deployed for an ingress gateway or before one service.
 * `Inbound` is the public fetch; `Outbound` carries a service's own calls and is reached by service binding only.
 */
import { WorkerEntrypoint } from 'cloudflare:workers';
import { createFetchDriver } from '../src/drivers/fetch.ts';
import type { Endpoint, ProxyScope } from '../src/model/snapshot.ts';
import type { Engine } from '../src/proxy/index.ts';
import { createEngine } from '../src/proxy/index.ts';
import { ConfigSource } from './gateway/config-source.ts';
import { createWorkerHost } from './gateway/host.ts';
import { OWN_PREFIX, answerOwn } from './gateway/own-endpoints.ts';

interface Fetcher {
  fetch(request: Request | string, init?: RequestInit): Promise<Response>;
}

export interface GatewayEnv {
  /** The control plane: a service binding, or its URL. */
  readonly CONTROL?: Fetcher;
  readonly CONTROL_URL?: string;
  readonly PROXY_TOKEN: string;
  /** JSON of the ProxyScope that Inbound serves, and of Outbound's. */
  readonly SCOPE?: string;
  readonly OUTBOUND_SCOPE?: string;
  /** Listener port of Inbound, where the URL's port isn't it. */
  readonly LISTEN_PORT?: string;
  /** The service behind an inbound gateway: binding, or base URL. */
  readonly APP?: Fetcher;
  readonly APP_URL?: string;
  /** Who may see config_dump. */
  readonly ADMIN_TOKEN?: string;
  readonly SOFT_TTL_MS?: string;
  readonly WAIT_TTL_MS?: string;
  readonly HARD_TTL_MS?: string;
}

type Direction = 'inbound' | 'outbound';

interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void;
}

const VERSION = '0.1.0';
/** One source and one engine for each direction of this isolate. */
const sources = new Map<Direction, ConfigSource>();
let engine: Engine | undefined;
const pending: Promise<unknown>[] = [];
const host = createWorkerHost((work) => {
  pending.push(work);
});

function askControl(env: GatewayEnv): (path: string, init: RequestInit) => Promise<Response> {
  const base = env.CONTROL_URL ?? 'http://control';
  const { CONTROL: control } = env;
  return (path, init) =>
    control === undefined ? fetch(base + path, init) : control.fetch(base + path, init);
}

function sourceFor(direction: Direction, env: GatewayEnv): ConfigSource {
  let source = sources.get(direction);
  if (source === undefined) {
    const text = direction === 'inbound' ? env.SCOPE : env.OUTBOUND_SCOPE;
    if (text === undefined)
      throw new Error(
        `no scope for ${direction}: set ${direction === 'inbound' ? 'SCOPE' : 'OUTBOUND_SCOPE'}`,
      );
    source = new ConfigSource({
      scope: JSON.parse(text) as ProxyScope,
      token: env.PROXY_TOKEN,
      softTtlMs: Number(env.SOFT_TTL_MS ?? '5000'),
      waitTtlMs: Number(env.WAIT_TTL_MS ?? '0'),
      hardTtlMs: Number(env.HARD_TTL_MS ?? '0'),
      instance: crypto.randomUUID(),
      ask: askControl(env),
    });
    sources.set(direction, source);
  }
  return source;
}

function dialer(
  env: GatewayEnv,
): (endpoint: Endpoint | undefined, request: Request) => Promise<Response> {
  return (endpoint, request) => {
    if (endpoint?.address.startsWith('binding:') !== true) return fetch(request);
    const bound = (env as unknown as Readonly<Record<string, Fetcher | undefined>>)[
      endpoint.address.slice(8)
    ];
    return bound === undefined
      ? Promise.reject(new Error(`no binding ${endpoint.address}`))
      : bound.fetch(request);
  };
}

/** The port that the client addressed, as the listener knows it. */
function listenerPort(request: Request, direction: Direction, env: GatewayEnv): number {
  const authority = request.headers.get('host') ?? new URL(request.url).host;
  const sent = /:(\d+)$/.exec(authority)?.[1];
  if (direction === 'inbound' && env.LISTEN_PORT !== undefined) return Number(env.LISTEN_PORT);
  if (sent !== undefined) return Number(sent);
  return request.url.startsWith('https:') ? 443 : 80;
}

async function serve(
  request: Request,
  direction: Direction,
  env: GatewayEnv,
  context: ExecutionContext,
): Promise<Response> {
  const source = sourceFor(direction, env);
  const linked = await source.current(host);
  for (const work of pending.splice(0)) context.waitUntil(work);
  const { pathname } = new URL(request.url);
  if (pathname.startsWith(OWN_PREFIX) || pathname === OWN_PREFIX.slice(0, -1))
    return answerOwn(request, { linked, adminToken: env.ADMIN_TOKEN ?? '', version: VERSION });
  if (linked === undefined)
    return new Response('no configuration yet', { status: 503, headers: { 'retry-after': '1' } });
  engine ??= createEngine({ host });
  const driver = createFetchDriver({ engine, host, dial: dialer(env) });
  const ip = request.headers.get('cf-connecting-ip') ?? '127.0.0.1';
  const response = await driver.handle({
    request,
    linked,
    peer: { ip },
    port: listenerPort(request, direction, env),
  });
  for (const work of pending.splice(0)) context.waitUntil(work);
  return response;
}

export class Inbound extends WorkerEntrypoint<GatewayEnv> {
  override async fetch(request: Request): Promise<Response> {
    return serve(request, 'inbound', this.env, this.ctx);
  }
}

export class Outbound extends WorkerEntrypoint<GatewayEnv> {
  override async fetch(request: Request): Promise<Response> {
    return serve(request, 'outbound', this.env, this.ctx);
  }
}

export default {
  async fetch(request: Request, env: GatewayEnv, context: ExecutionContext): Promise<Response> {
    return serve(request, 'inbound', env, context);
  },
};
