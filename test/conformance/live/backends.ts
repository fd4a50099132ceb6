/** Everything that a proxy under test may connect to: a port for each cluster, whatever it speaks. */
import type { ServerHttp2Stream } from 'node:http2';
import { createServer as createHttp2 } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createSecureContext, createServer as createTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { peek } from '../../../node-adapter/accept/peek.ts';
import type { UpstreamTarget } from '../../../node-adapter/pool/upstreams.ts';
import type { Snapshot } from '../../../src/model/snapshot.ts';
import type { Certificates, Shown } from './certificates.ts';
import { readMessage } from './message.ts';
import { APP_HOST } from './report.ts';
import type { Received } from './server.ts';

/** What backends send where no HTTP is spoken, behind what they got. */
export const ECHO = 'echo:';

interface Door {
  /** As `clusterAt` reads it; undefined = the proxy's own calls, which no case looks at. */
  readonly host: string | undefined;
  readonly server: Server;
  /** Whom a certificate of the mesh must show; undefined = one for the server name is shown. */
  readonly identity: string | undefined;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

const HOST = '127.0.0.1';
const FIRST_BYTES_MS = 10_000;
const TLS_HANDSHAKE = 0x16;
const PASSTHROUGH = '';
const CALL = 'call';
const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

export class Backends {
  readonly #certificates: Certificates;
  /** By cluster name. */
  readonly #doors = new Map<string, Door>();
  readonly #byPort = new Map<number, Door>();
  readonly #open = new Set<Socket>();
  readonly #http2 = createHttp2();
  #received: Received[] = [];

  private constructor(certificates: Certificates) {
    this.#certificates = certificates;
    this.#http2.on('stream', (stream, _headers, _flags, raw) =>
      this.#answer(stream as ServerHttp2Stream, raw as unknown as readonly string[]),
    );
    this.#http2.on('sessionError', () => undefined);
  }

  static async open({ clusters, mesh }: Snapshot, certificates: Certificates): Promise<Backends> {
    const backends = new Backends(certificates);
    const identity = `${mesh.trustDomain}/ns/backend/sa/backend`;
    await backends.#openDoor(PASSTHROUGH, PASSTHROUGH);
    await backends.#openDoor(CALL, undefined);
    await backends.#openDoor(APP_HOST, APP_HOST);
    for (const [index, { name, tls }] of clusters.entries())
      await backends.#openDoor(
        name,
        `c${index}.backend.test`,
        tls?.mode === 'ISTIO_MUTUAL' ? identity : undefined,
      );
    return backends;
  }

  /** Where the application listens that a sidecar stands before. */
  get app(): Address {
    return { host: HOST, port: this.#portAt(APP_HOST) };
  }

  addressOf({ cluster, endpoint }: UpstreamTarget): Address | undefined {
    const { app } = this;
    if (endpoint?.address === app.host && endpoint.port === app.port) return undefined;
    if (cluster.name.startsWith(`${CALL} `)) return { host: HOST, port: this.#portAt(CALL) };
    const name = this.#doors.has(cluster.name) ? cluster.name : PASSTHROUGH;
    return { host: HOST, port: this.#portAt(name) };
  }

  get received(): readonly Received[] {
    return this.#received;
  }

  forget(): void {
    this.#received = [];
  }

  close(): void {
    for (const { server } of this.#doors.values()) server.close();
    for (const socket of this.#open) socket.destroy();
  }

  async #openDoor(name: string, host: string | undefined, identity?: string): Promise<void> {
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      this.#open.add(socket);
      socket.on('close', () => this.#open.delete(socket));
      this.#serve(socket);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, HOST, resolve);
    });
    const door = { host, server, identity };
    this.#doors.set(name, door);
    this.#byPort.set(portOf(server), door);
  }

  #portAt(name: string): number {
    const door = this.#doors.get(name);
    if (door === undefined) throw new Error(`no backend ${name}`);
    return portOf(door.server);
  }

  #doorOf({ localPort = 0 }: Socket): Door | undefined {
    return this.#byPort.get(localPort);
  }

  /** What is spoken is told by the first bytes, inside TLS once more. */
  #serve(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    peek(socket, {
      mode: 'data',
      timeoutMs: FIRST_BYTES_MS,
      look: (early) => {
        if (early.length < 4) return false;
        setImmediate(() => this.#begin(socket, early));
        return true;
      },
      onGone: () => socket.destroy(),
    });
  }

  #begin(socket: Socket, early: Buffer): void {
    const text = early.toString('latin1');
    if (early[0] === TLS_HANDSHAKE) this.#secure(socket, early);
    else if (text.startsWith('PRI ')) {
      socket.unshift(early);
      this.#http2.emit('connection', socket);
    } else if (/^[A-Za-z]/.test(text)) this.#serveHttp1(socket, text);
    else this.#serveBytes(socket, early);
  }

  #secure(socket: Socket, early: Buffer): void {
    const identity = this.#doorOf(socket)?.identity;
    const shown = (name: string): Shown =>
      identity === undefined
        ? this.#certificates.server(name)
        : this.#certificates.workload(identity);
    const server = createTls({
      ...shown(''),
      SNICallback: (name, done) => done(null, createSecureContext(shown(name))),
      ALPNCallback: ({ protocols }) =>
        protocols.find((name) => name === 'h2' || name === 'http/1.1') ?? protocols[0],
      // Proxies of the mesh show who they are; whom a certificate of a case's own shows, the case doesn't say.
      requestCert: true,
      rejectUnauthorized: identity !== undefined,
    });
    server.on('tlsClientError', () => socket.destroy());
    server.on('secureConnection', (secured: TLSSocket) => {
      secured.pause();
      this.#serve(secured);
    });
    socket.unshift(early);
    server.emit('connection', socket);
  }

  #serveHttp1(socket: Socket, early: string): void {
    let text = early;
    const answerAll = (): void => {
      for (let message = readMessage(text, false); message !== undefined;) {
        const { line, fields, length } = message;
        text = text.slice(length);
        const [method = '', target = ''] = line.split(' ');
        const authority = fields.find(([name]) => name === 'host')?.[1];
        const headers = fields.filter(([name]) => name !== 'host');
        this.#receive(socket, { method, target, authority, headers });
        socket.write(ANSWER);
        message = readMessage(text, false);
      }
    };
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      answerAll();
    });
    answerAll();
    socket.resume();
  }

  #serveBytes(socket: Socket, early: Buffer): void {
    this.#receive(socket, { method: '', target: '', authority: undefined, headers: [] });
    socket.write(Buffer.concat([Buffer.from(ECHO), early]));
    socket.resume();
  }

  #answer(stream: ServerHttp2Stream, raw: readonly string[]): void {
    const fields = raw.flatMap((name, index): [string, string][] =>
      index % 2 === 0 ? [[name, raw[index + 1] ?? '']] : [],
    );
    const valueOf = (wanted: string): string | undefined =>
      fields.find(([name]) => name === wanted)?.[1];
    const { socket } = stream.session ?? {};
    stream.on('error', () => undefined);
    if (socket !== undefined)
      this.#receive(socket, {
        method: valueOf(':method') ?? '',
        target: valueOf(':path') ?? '',
        authority: valueOf(':authority'),
        headers: fields.filter(([name]) => !name.startsWith(':')),
      });
    stream.respond({ ':status': 200 }, { endStream: true });
  }

  #receive(socket: Socket, what: Omit<Received, 'host' | 'sni'>): void {
    const host = this.#doorOf(socket)?.host;
    if (host === undefined) return;
    const { servername } = socket as { readonly servername?: string | false };
    const sni = typeof servername === 'string' ? { sni: servername } : {};
    this.#received.push({ host, ...sni, ...what });
  }
}
