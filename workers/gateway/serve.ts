/** One deployment of the gateway worker: a configuration source for each direction, one engine, one request after the other. */
import { createCall } from '../../src/drivers/call.ts';
import { createFetchDriver } from '../../src/drivers/fetch.ts';
import type { Call, CallAnswer, Host, Random } from '../../src/host/host.ts';
import type { Exchange } from '../../src/model/exchange.ts';
import type { Peer } from '../../src/model/identity.ts';
import type { EndpointOverlay, ProxyScope } from '../../src/model/snapshot.ts';
import type { Engine, LinkedSnapshot } from '../../src/proxy/index.ts';
import { canonicalTarget, createEngine } from '../../src/proxy/index.ts';
import { CredentialHolder } from '../../src/credential/holder.ts';
import type { CredentialSource } from '../../src/credential/holder.ts';
import { ClientCertificates } from './client-certificate.ts';
import { ConfigSource } from './config-source.ts';
import type { ControlClient } from '../../src/delivery/control-client.ts';
import { createControlClient } from '../../src/delivery/control-client.ts';
import { APP_ADDRESS, createDial } from './dial.ts';
import type { Direction, GatewayEnv } from './env.ts';
import { hasApp, scopeOf, secretsIn } from './env.ts';
import { createWorkerHost } from './host.ts';
import type { Bundle } from '../../src/delivery/bundle.ts';
import type { LastGood } from './last-good.ts';
import { createCachedLastGood, noLastGood } from './last-good.ts';
import { OWN_PREFIX, answerOwn } from './own-endpoints.ts';
import { platformPeer } from './platform.ts';

export interface GatewayContext {
  waitUntil(work: Promise<unknown>): void;
  /** Of the service binding that a call came over. */
  readonly props?: unknown;
}

/** Where a request came in. */
export interface Entry {
  readonly direction: Direction;
  /** By the network, which alone tells of client certificates; else by a service binding. */
  readonly isPublic: boolean;
}

/** What a front that isn't the network says of a request. */
export interface Arrived {
  readonly peer: Peer;
  readonly port: number;
  readonly authority?: string;
}

export interface GatewayOptions {
  /** @default the platform's */
  readonly random?: Random;
  /** Takes access-log lines. @default the platform's log */
  readonly log?: (line: string) => void;
  /** Who asks and where; @default by the request itself. */
  readonly arrived?: (request: Request, direction: Direction) => Arrived | undefined;
  /** Sees each exchange when its response head is known. */
  readonly observe?: (x: Exchange) => void;
  /** Changes what is linked. */
  readonly adapt?: (bundle: Bundle) => EndpointOverlay;
}

const VERSION = '0.1.0';

interface PlatformCaches {
  readonly default?: Parameters<typeof createCachedLastGood>[0];
}

/** The clusters of its own service lead to the workload itself; others are those that policies call. */
function appEndpoints({ named, endpoints }: Bundle): EndpointOverlay {
  const { clusters: all, scope } = named.snapshot;
  const own = all.filter(({ service }) => service === scope.service);
  const clusters = {
    ...endpoints.clusters,
    ...Object.fromEntries(
      own.map(({ name, port }) => [
        name,
        [{ address: APP_ADDRESS, port, weight: 1, healthy: true }],
      ]),
    ),
  };
  return { version: endpoints.version, clusters };
}

interface Cf {
  readonly country?: unknown;
  readonly tlsClientAuth?: unknown;
}

const cfOf = (request: Request): Cf | undefined =>
  (request as Request & { readonly cf?: Cf | null }).cf ?? undefined;

/** The platform names the client only to workers that it runs; elsewhere that header is anybody's word. */
export function peerOf(request: Request): Peer {
  const cf = cfOf(request);
  if (cf === undefined) return { ip: '127.0.0.1' };
  const ip = request.headers.get('cf-connecting-ip');
  const { country } = cf;
  // XX is what the platform says of an address that it can't place; without an address there is nothing to place.
  const isKnown = ip !== null && typeof country === 'string' && country !== 'XX' && country !== '';
  return { ip: ip ?? '127.0.0.1', ...(isKnown ? { country } : {}) };
}

/** Own in any reading: what a gateway behind this one could take for its own endpoints is never forwarded either. */
function isOwn(url: string): boolean {
  const at = url.indexOf('/', url.indexOf('://') + 3);
  const path = canonicalTarget(url.slice(at), 'DECODE_AND_MERGE_SLASHES')?.path ?? '';
  return path.startsWith(OWN_PREFIX) || path === OWN_PREFIX.slice(0, -1);
}

/** The port that the client addressed, as the listener knows it. */
function listenerPort(request: Request, direction: Direction, env: GatewayEnv): number {
  if (direction === 'inbound' && env.LISTEN_PORT !== undefined) return Number(env.LISTEN_PORT);
  const authority = request.headers.get('host') ?? new URL(request.url).host;
  const sent = /:(\d+)$/.exec(authority)?.[1];
  if (sent !== undefined) return Number(sent);
  return request.url.startsWith('https:') ? 443 : 80;
}

/** A gateway before this one can't set Host. It says no more than Host would: a client may write either. */
function forwardedAuthority(request: Request, type: ProxyScope['type']): string | undefined {
  const isFirst = type !== 'sidecar-inbound';
  return isFirst ? undefined : (request.headers.get('x-forwarded-host') ?? undefined);
}

const millis = (text: string | undefined, otherwise: number): number =>
  text === undefined || text === '' ? otherwise : Number(text);

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #host: Host;
  readonly #engine: Engine;
  #env: GatewayEnv | undefined;
  readonly #sources = new Map<Direction, ConfigSource>();
  readonly #certificates = new ClientCertificates();
  #credentials: CredentialHolder | undefined;
  /** Of the latest request. */
  #background: (work: Promise<unknown>) => void = () => undefined;

  constructor(options: GatewayOptions = {}) {
    this.#options = options;
    const platform = createWorkerHost(
      () => undefined,
      (call) => this.#call(call),
    );
    const { random = platform.random, log = platform.log } = options;
    this.#host = { ...platform, random, log };
    this.#engine = createEngine({ host: this.#host });
  }

  /** To where clients' requests go too; known from the first request on, like the bindings. */
  #call(call: Call): Promise<CallAnswer> {
    if (this.#env === undefined) return Promise.reject(new Error('no request came yet'));
    return createCall(createDial(this.#env, false), this.#host.clock)(call);
  }

  async serve(
    request: Request,
    entry: Entry,
    env: GatewayEnv,
    context: GatewayContext,
  ): Promise<Response> {
    const { direction } = entry;
    this.#env = env;
    const background = (work: Promise<unknown>): void => {
      context.waitUntil(work);
    };
    this.#background = background;
    const linked = await this.#sourceFor(direction, env).current(this.#host, background);
    if (isOwn(request.url))
      return answerOwn(request, {
        linked,
        adminToken: env.ADMIN_TOKEN ?? '',
        version: VERSION,
        stats: () => this.#engine.stats(),
      });
    if (linked === undefined)
      return new Response('no configuration yet', { status: 503, headers: { 'retry-after': '1' } });
    const { observe } = this.#options;
    const driver = createFetchDriver({
      engine: this.#engine,
      host: { ...this.#host, background },
      dial: createDial(env, linked.named.snapshot.scope.type === 'sidecar-inbound'),
      credentials: this.#credentialsFor(direction, env),
      ...(observe === undefined ? {} : { observe }),
    });
    const arrived = this.#options.arrived?.(request, direction) ?? {
      peer: await this.#peerOf(request, entry, linked, context),
      ...arrivedAt(request, direction, env, linked),
    };
    return driver.handle({ request, linked, ...arrived });
  }

  /** A binding's caller may write what it likes into `cf`; the network's front writes it itself. */
  #peerOf(
    request: Request,
    { direction, isPublic }: Entry,
    linked: LinkedSnapshot,
    { props }: GatewayContext,
  ): Peer | Promise<Peer> {
    const peer = peerOf(request);
    if (direction === 'outbound') return peer;
    const { trust } = linked.named.snapshot.mesh;
    const binding = { props, isNamedEntrypoint: !isPublic };
    const known = platformPeer(binding, this.#env ?? {}, trust);
    if (known.proof !== undefined) return { ...peer, ...known };
    const auth = isPublic ? cfOf(request)?.tlsClientAuth : undefined;
    const shown = this.#certificates.peerOf(auth, trust, this.#host.clock.nowMs());
    return shown instanceof Promise
      ? shown.then((certified) => ({ ...peer, ...certified }))
      : { ...peer, ...shown };
  }

  /** Of whom the control plane knows by the proxy token; asked for when the first upstream wants to be shown. */
  #credentialsFor(direction: Direction, env: GatewayEnv): CredentialSource {
    this.#credentials ??= new CredentialHolder({
      ...this.#host,
      background: (work) => {
        this.#background(work);
      },
      issue: (key) => this.#clientFor(direction, env).identityToken(key),
    });
    return this.#credentials;
  }

  #sourceFor(direction: Direction, env: GatewayEnv): ConfigSource {
    let source = this.#sources.get(direction);
    if (source === undefined) {
      source = this.#createSource(direction, env);
      this.#sources.set(direction, source);
    }
    return source;
  }

  #clientFor(direction: Direction, env: GatewayEnv): ControlClient {
    const { CONTROL: control } = env;
    const base = env.CONTROL_URL ?? 'http://control';
    return createControlClient({
      scope: scopeOf(direction, env),
      token: env.PROXY_TOKEN,
      instance: crypto.randomUUID(),
      runtime: 'edge',
      ask: (path, init) =>
        control === undefined ? fetch(base + path, init) : control.fetch(base + path, init),
    });
  }

  #createSource(direction: Direction, env: GatewayEnv): ConfigSource {
    const scope = scopeOf(direction, env);
    const standsBefore = scope.type === 'sidecar-inbound' && hasApp(env);
    const adapt = this.#options.adapt ?? (standsBefore ? appEndpoints : undefined);
    return new ConfigSource({
      control: this.#clientFor(direction, env),
      lastGood: lastGoodOf(scope),
      softTtlMs: millis(env.SOFT_TTL_MS, 5000),
      waitTtlMs: millis(env.WAIT_TTL_MS, 0),
      hardTtlMs: millis(env.HARD_TTL_MS, 0),
      secrets: secretsIn(env),
      ...(adapt === undefined ? {} : { adapt }),
    });
  }
}

/** Listener port, and the authority where a gateway before this one could only say it beside. */
function arrivedAt(
  request: Request,
  direction: Direction,
  env: GatewayEnv,
  linked: LinkedSnapshot,
): Omit<Arrived, 'peer'> {
  const authority = forwardedAuthority(request, linked.named.snapshot.scope.type);
  return {
    port: listenerPort(request, direction, env),
    ...(authority === undefined ? {} : { authority }),
  };
}

function lastGoodOf(scope: Parameters<typeof createCachedLastGood>[1]): LastGood {
  const cache = (globalThis as { readonly caches?: PlatformCaches }).caches?.default;
  return cache === undefined ? noLastGood : createCachedLastGood(cache, scope);
}
