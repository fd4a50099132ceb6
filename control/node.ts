/** The control plane in a Node process over node:sqlite. */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { isIP } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TLSSocket } from 'node:tls';
import type { ReadableStream as WebReadable } from 'node:stream/web';
import type { ShownCertificate } from './access/machines.ts';
import { readMachineRoles } from './access/machines.ts';
import { createNodeKeys } from './node-keys.ts';
import { readOidcConfig } from './access/oidc.ts';
import { asksForStream, createNodeStreams } from './node-streams.ts';
import type { NodeStreams } from './node-streams.ts';
import { createControlPlane } from './plane.ts';
import type { ControlDependencies, ControlPlane, Peer } from './plane.ts';
import { createIdentity } from './identity/index.ts';
import { createSqlStore } from './store/sql.ts';
import type { SqlDatabase } from './store/sql.ts';
import { createSqlAudit } from './store/sql-audit.ts';
import { createSqlBlobs, createSqlTexts } from './store/sql-blobs.ts';
import { openSqlite } from './store/sqlite.ts';

export interface NodeControlOptions {
  /** File of the database, or `:memory:`. */
  readonly database: string;
  /** 0 = any free port. */
  readonly port: number;
  /** The first administrator's token; only its hash is kept. */
  readonly adminToken: string;
  /** Wraps the keys of the certificate authority at rest; at least 32 characters. @default none: it signs nothing */
  readonly caSecret?: string;
  /** The secret before it, until `lateen ca rewrap`. */
  readonly caSecretBefore?: string;
  /** Of the certificates of workloads. @default 24 hours */
  readonly certificateTtlMs?: number;
  /** @default 5000 */
  readonly pointerMaxAgeMs?: number;
  /** JWKS may be fetched by plain http and from private addresses. @default false */
  readonly allowPrivateKeys?: boolean;
  /** @default 50000 */
  readonly maxResources?: number;
  /** @default 1000 */
  readonly keepRevisions?: number;
  /** Names in Host that are answered besides those of loopback, without port. */
  readonly allowedHosts?: readonly string[];
  /** Address to listen on. @default 127.0.0.1 */
  readonly listen?: string;
  /** @default plaintext */
  readonly tls?: ControlTls;
  /** Proxies in front whose X-Forwarded-For is believed, counted from here. @default 0: the socket's address */
  readonly trustedHops?: number;
  /** Where people log in: JSON (docs/admin-api.md). @default tokens alone */
  readonly oidc?: string;
  /** @default the machine's */
  readonly nowMs?: () => number;
  log(line: string): void;
}

/** PEM, each. */
export interface ControlTls {
  readonly certificate: string;
  readonly key: string;
  /** Authorities of clients' certificates. @default none is asked for */
  readonly clientCa?: string;
  /** Roles of machines by their SPIFFE identity: JSON (docs/admin-api.md). @default none has one */
  readonly machines?: string;
}

export interface NodeControl {
  readonly url: string;
  close(): Promise<void>;
}

/** As a browser writes them in Host. */
const LOOPBACK_HOSTS = ['127.0.0.1', 'localhost', '[::1]'];
/** How often it is looked whether something is due. */
const TICK_MS = 30_000;

const isLoopback = (address = '127.0.0.1'): boolean =>
  address.startsWith('127.') || address === '::1' || address === 'localhost';

/** Undefined = a method, target or field that no Web Request can have. */
function toRequest(incoming: IncomingMessage, base: string): Request | undefined {
  try {
    return makeRequest(incoming, base);
  } catch {
    return undefined;
  }
}

function makeRequest(incoming: IncomingMessage, base: string): Request {
  const headers = new Headers();
  for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2)
    headers.append(incoming.rawHeaders[i] ?? '', incoming.rawHeaders[i + 1] ?? '');
  const method = incoming.method ?? 'GET';
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const init: RequestInit & { duplex?: 'half' } = { method, headers };
  if (hasBody) {
    init.body = incoming as unknown as ReadableStream;
    init.duplex = 'half';
  }
  return new Request(new URL(incoming.url ?? '/', base), init);
}

function shownBy(socket: Socket): { readonly certificate?: ShownCertificate } {
  const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (shown === undefined) return {};
  return {
    certificate: {
      der: new Uint8Array(shown.raw),
      notAfterMs: Date.parse(shown.validTo),
      serial: shown.serialNumber.toLowerCase().replace(/^0+(?=.)/, ''),
      isTrusted: (socket as TLSSocket).authorized,
    },
  };
}

type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

/** Who shows no certificate may still have a token; one of a stranger is told from none by the guard. */
function serverOf(tls: ControlTls | undefined, listener: Listener): Server {
  const options = { shouldUpgradeCallback: asksForStream };
  if (tls === undefined) return createServer(options, listener);
  const { certificate, key, clientCa } = tls;
  return createSecureServer(
    {
      ...options,
      cert: certificate,
      key,
      minVersion: 'TLSv1.3',
      // A resumed session would skip what is checked of a certificate.
      secureOptions: constants.SSL_OP_NO_TICKET,
      ...(clientCa === undefined
        ? {}
        : { ca: clientCa, requestCert: true, rejectUnauthorized: false }),
    },
    listener,
  );
}

/** The client's address: the socket's, or as the proxies in front that are trusted wrote it down. */
function peerAt(incoming: IncomingMessage, trustedHops: number): Peer {
  const direct = incoming.socket.remoteAddress;
  const forwarded = String(incoming.headers['x-forwarded-for'] ?? '').split(',');
  const said = trustedHops === 0 ? undefined : forwarded.at(-trustedHops)?.trim();
  const source = said !== undefined && isIP(said) > 0 ? said : direct;
  return { ...(source === undefined ? {} : { source }), ...shownBy(incoming.socket) };
}

async function answer(
  plane: ControlPlane,
  { request, peer }: { readonly request: Request; readonly peer: Peer },
  outgoing: ServerResponse,
): Promise<void> {
  const response = await plane.fetch(request, peer);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.flushHeaders();
  if (response.body === null) {
    outgoing.end();
    return;
  }
  // A watcher that goes away ends its stream; one that is slow is waited for.
  await pipeline(Readable.fromWeb(response.body as WebReadable), outgoing).catch(() => undefined);
}

/** Returns what ends it. */
function keepTicking(plane: ControlPlane, log: (line: string) => void): () => void {
  const timer = setInterval(() => {
    plane.tick().catch((error: unknown) => log(faultText(error)));
  }, TICK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

const faultText = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : 'unknown fault';

function dependenciesOf(
  options: NodeControlOptions,
  database: SqlDatabase,
  streams: NodeStreams,
): ControlDependencies {
  const { pointerMaxAgeMs, maxResources, keepRevisions, allowedHosts = [] } = options;
  return {
    store: createSqlStore(database),
    blobs: createSqlBlobs(database),
    audit: createSqlAudit(database),
    texts: createSqlTexts(database),
    nowMs: options.nowMs ?? (() => Date.now()),
    randomHex: (length) => randomBytes(length).toString('hex'),
    bootstrapHash: createHash('sha256').update(options.adminToken).digest('hex'),
    ...(pointerMaxAgeMs === undefined ? {} : { pointerMaxAgeMs }),
    // Off loopback, names are for whoever gave it one to know.
    ...(isLoopback(options.listen) || allowedHosts.length > 0
      ? { allowedHosts: [...LOOPBACK_HOSTS, ...allowedHosts] }
      : {}),
    ...(options.tls?.machines === undefined
      ? {}
      : { machines: readMachineRoles(options.tls.machines) }),
    ...(options.oidc === undefined ? {} : { oidc: readOidcConfig(options.oidc) }),
    fetchKeys: createNodeKeys({ allowPrivate: options.allowPrivateKeys === true }),
    ...(maxResources === undefined ? {} : { maxResources }),
    ...(keepRevisions === undefined ? {} : { keepRevisions }),
    allowPrivateKeys: options.allowPrivateKeys === true,
    log: (line) => {
      options.log(line);
    },
    identity: createIdentity({
      secret: options.caSecret,
      secretBefore: options.caSecretBefore,
      certificateTtlMs: options.certificateTtlMs,
    }),
    upgrade: (request, grant) => streams.upgrade(request, grant),
    wakeAt: (atMs) => streams.wakeAt(atMs),
  };
}

async function listen(
  server: Server,
  { port, listen: host = '127.0.0.1' }: NodeControlOptions,
): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return server.address() as AddressInfo;
}

function urlOf({ listen = '127.0.0.1', tls }: NodeControlOptions, port: number): string {
  const isAny = listen === '0.0.0.0' || listen === '::';
  const host = isAny ? '127.0.0.1' : listen.includes(':') ? `[${listen}]` : listen;
  return `${tls === undefined ? 'http' : 'https'}://${host}:${port}`;
}

export async function startControlPlane(options: NodeControlOptions): Promise<NodeControl> {
  const database = openSqlite(options.database);
  const requestOf = (incoming: IncomingMessage): Request | undefined =>
    toRequest(incoming, options.tls === undefined ? 'http://control' : 'https://control');
  const peerOf = (incoming: IncomingMessage): Peer => peerAt(incoming, options.trustedHops ?? 0);
  const streams = createNodeStreams({
    toRequest: requestOf,
    peerOf,
    log: (line) => options.log(line),
  });
  const plane = createControlPlane(dependenciesOf(options, database, streams));
  const server = serverOf(options.tls, (incoming, outgoing) => {
    const request = requestOf(incoming);
    if (request === undefined) {
      outgoing.writeHead(400, { connection: 'close' }).end();
      return;
    }
    answer(plane, { request, peer: peerOf(incoming) }, outgoing).catch((error: unknown) => {
      options.log(faultText(error));
      outgoing.destroy();
    });
  });
  streams.attach(server, plane);
  const stopTicking = keepTicking(plane, (line) => options.log(line));
  const { port } = await listen(server, options);
  return {
    url: urlOf(options, port),
    close: async () => {
      stopTicking();
      await streams.close();
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(() => {
          resolve(undefined);
        });
      });
      database.close();
    },
  };
}
