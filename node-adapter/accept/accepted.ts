/**
 * A connection that was accepted. What it carries is told by its front, by the listener of its port and by its first
 * bytes; then a codec has it, or it is carried as it is.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Peer, PeerCertificate } from '../../src/model/identity.ts';
import type { Listener } from '../../src/model/snapshot.ts';
import { Connection } from '../exchanges.ts';
import type { ConnectionFacts, ConnectionServices } from '../exchanges.ts';
import type { FrontRole } from '../front-role.ts';
import { Http1Server } from '../http1/server.ts';
import { Http2Server } from '../http2/server.ts';
import type { Plane } from '../plane.ts';
import { clientHello } from '../sniff/client-hello.ts';
import type { ClientHello } from '../sniff/client-hello.ts';
import { sniff } from '../sniff/protocol.ts';
import { readProxyHeader } from '../sniff/proxy-protocol.ts';
import type { Address } from '../sniff/proxy-protocol.ts';
import { readAccepted, readSecured } from '../sockets/reading.ts';
import type { BytesReader } from '../sockets/reading.ts';
import { carryConnection } from '../tcp/carry.ts';
import type { KnownCertificate } from '../tls/known-certificates.ts';
import type { Secured } from '../tls/termination.ts';
import { peek } from './peek.ts';
import { Beginning } from './beginning.ts';
import { Standing } from './standing.ts';
import { Tunnel } from './tunnel.ts';
import type { TunnelTarget } from './tunnel.ts';
import { carriedProtocol, portOfRequest } from './roles.ts';

export interface AcceptOptions {
  readonly plane: Plane;
  readonly role: FrontRole;
  readonly services: ConnectionServices;
  onClosed(): void;
}

/** What reads a connection once its protocol is known. */
interface Codec extends BytesReader {
  attach(socket: Socket, early?: Buffer): void;
  drain(): void;
}

/** How long a client may say nothing where either side may speak first. */
const SERVER_FIRST_MS = 300;
const NOTHING = Buffer.alloc(0);
const ESTABLISHED = 'HTTP/1.1 200 Connection established\r\n\r\n';
/** What comes meanwhile is read by who has taken the socket over. */
const NOBODY: BytesReader = { onBytes: () => undefined };

export class Accepted {
  readonly #options: AcceptOptions;
  #peer: Peer;
  #socket: Socket;
  #destination: Address | undefined;
  #scheme: 'http' | 'https' = 'http';
  #held: { drain(): void; cut?(details: string): void } | undefined;
  /** Of a certificate that the client showed. */
  #standing: Standing | undefined;
  #isOver = false;

  constructor(socket: Socket, options: AcceptOptions) {
    this.#options = options;
    this.#socket = socket;
    const { remoteAddress = '', remotePort = 0 } = socket;
    this.#peer = { ip: remoteAddress, port: remotePort, mutual: false };
    socket.on('error', () => socket.destroy());
  }

  /** Nothing was read before. */
  start(): void {
    const { proxyProtocol } = this.#options.services;
    if (proxyProtocol === undefined || this.#options.role.kind === 'proxy') this.#tell(NOTHING);
    else this.#readProxyHeader(proxyProtocol);
  }

  drain(): void {
    if (this.#held === undefined) this.#socket.destroy();
    else this.#held.drain();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  get #port(): number {
    const { role } = this.#options;
    return role.kind === 'proxy' ? 0 : role.listenerPort;
  }

  #readProxyHeader(wanted: 'required' | 'allowed'): void {
    this.#peek(NOTHING, (early, isOver) => {
      const header = readProxyHeader(early);
      if (header === 'incomplete' && !isOver) return false;
      if (typeof header === 'string') {
        if (wanted === 'required') this.#refuse('proxy_protocol_missing');
        else this.#tell(early);
        return true;
      }
      if ('fault' in header) {
        this.#refuse('proxy_protocol_malformed');
        return true;
      }
      const { source } = header;
      if (source !== undefined) this.#peer = { ...this.#peer, ip: source.ip, port: source.port };
      this.#destination = header.destination;
      this.#tell(early.subarray(header.length));
      return true;
    });
  }

  /** By the listener of the port, and by the first bytes where these decide. */
  #tell(early: Buffer): void {
    const { plane, role } = this.#options;
    const carried = carriedProtocol(plane.linked, role);
    if (carried === 'tcp') this.#carry(this.#socket, early);
    else if (carried === 'tls') this.#readHello(early);
    else this.#sniff(early, carried === 'any');
  }

  #sniff(early: Buffer, serverMaySpeakFirst: boolean): void {
    const { limits } = this.#options.services;
    const timeoutMs = serverMaySpeakFirst ? SERVER_FIRST_MS : limits.headTimeoutMs;
    this.#peek(
      early,
      (bytes, isOver) => {
        const protocol = sniff(bytes);
        // Only a server that speaks first could say anything to a client that has ended.
        const isGone = this.#socket.readableEnded && !serverMaySpeakFirst;
        if (protocol === 'incomplete' && (!isOver || isGone)) return false;
        if (protocol === 'tls' && this.#options.role.kind === 'inbound') this.#readHello(bytes);
        else if (protocol === 'http2') this.#serve('h2', bytes);
        // What is no HTTP is refused by the codec, in words that a client of HTTP understands.
        else if (protocol === 'http1' || !serverMaySpeakFirst) this.#serve('http/1.1', bytes);
        else this.#carry(this.#socket, bytes);
        return true;
      },
      timeoutMs,
    );
  }

  #readHello(early: Buffer): void {
    this.#peek(early, (bytes, isOver) => {
      const hello = clientHello(bytes);
      if (hello === 'incomplete' && !isOver) return false;
      if (typeof hello === 'string') this.#refuse(`client_hello_${hello.replace('-', '_')}`);
      else this.#secure(bytes, hello);
      return true;
    });
  }

  /** The server name chooses the listener, which says whether TLS ends here. */
  #secure(early: Buffer, hello: ClientHello): void {
    const { plane, services } = this.#options;
    const listener = plane.linked?.listeners.find(this.#port, hello.sni)?.listener;
    if (listener === undefined) {
      this.#refuse('no_listener');
      return;
    }
    const { termination } = services;
    if (!termination.terminates(listener, hello)) {
      this.#carry(this.#socket, early, hello.sni);
      return;
    }
    termination.terminate(
      this.#socket,
      { early, hello, listener },
      {
        onSecured: (secured) => this.#secured(listener, secured),
        onRefused: () => this.#over(),
      },
    );
  }

  #secured(listener: Listener, secured: Secured): void {
    const { socket, sni, alpn, principal, mutual, isFor, certificate } = secured;
    if (this.#isOver) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    if (certificate !== undefined) this.#standsWith(certificate, principal !== undefined);
    this.#peer = {
      ...this.#peer,
      ...(principal === undefined ? {} : { principal }),
      ...(certificate === undefined ? {} : { certificate: this.#told(certificate) }),
      tls: { sni, mutual, ...(isFor === undefined ? {} : { isFor }) },
      mutual: listener.direction === 'inbound' && mutual,
    };
    if (listener.protocol === 'TLS' || listener.protocol === 'TCP') {
      this.#carry(socket, NOTHING, sni);
      return;
    }
    this.#scheme = listener.direction === 'inbound' ? 'http' : 'https';
    if (alpn === 'h2' || alpn === 'http/1.1') this.#serve(alpn, NOTHING);
    else this.#guess(socket);
  }

  /** What was agreed on says nothing of what is spoken. */
  #guess(socket: TLSSocket): void {
    const { limits, mode } = this.#options.services;
    const beginning = new Beginning(socket, {
      timeoutMs: limits.headTimeoutMs,
      look: (early, isOver) => {
        const protocol = sniff(early);
        if (protocol === 'incomplete' && !isOver) return false;
        const codec = this.#codec(protocol === 'http2' ? 'h2' : 'http/1.1');
        beginning.handOn(codec);
        codec.attach(socket, early);
        return true;
      },
      onGone: () => this.#over(),
    });
    readSecured(socket, beginning, mode);
  }

  #told(certificate: KnownCertificate): PeerCertificate {
    return this.#options.services.termination.told(certificate);
  }

  #standsWith(known: KnownCertificate, isMesh: boolean): void {
    const { deadlines, limits, termination } = this.#options.services;
    this.#standing = new Standing({
      known,
      trust: isMesh ? termination.trust : undefined,
      graceMs: limits.expiryGraceMs,
      deadlines,
      drain: () => this.drain(),
      cut: (details) => {
        if (this.#held?.cut === undefined) this.#refuse(details);
        else this.#held.cut(details);
      },
    });
  }

  #serve(protocol: 'h2' | 'http/1.1', early: Buffer): void {
    const { mode } = this.#options.services;
    const codec = this.#codec(protocol);
    if (this.#socket instanceof TLSSocket) readSecured(this.#socket, codec, mode);
    else this.#socket = readAccepted(this.#socket, codec, mode);
    codec.attach(this.#socket, early);
  }

  #codec(protocol: 'h2' | 'http/1.1', portBehind?: number): Codec {
    const { plane, role, services } = this.#options;
    this.#peer = { ...this.#peer, destination: this.#whereTo() };
    const port = portBehind ?? this.#port;
    const isProxy = role.kind === 'proxy' && portBehind === undefined;
    const facts: ConnectionFacts = {
      plane,
      peer: this.#peer,
      scheme: this.#scheme,
      portOf: isProxy ? portOfRequest : () => port,
      ...(role.kind === 'service' ? { authority: role.authority } : {}),
      ...(isProxy && protocol === 'http/1.1'
        ? { tunnel: (stream) => new Tunnel(stream, (target) => this.#tunnel(codec, target)) }
        : {}),
      onClosed: () => this.#over(),
    };
    const context = new Connection(services, facts);
    const codec = protocol === 'h2' ? new Http2Server(context) : new Http1Server(context);
    this.#held = codec;
    return codec;
  }

  #whereTo(): Address {
    const { localAddress = '', localPort = 0 } = this.#socket;
    return this.#destination ?? { ip: localAddress, port: localPort };
  }

  /** Behind CONNECT the client speaks whatever it likes to a host that it named. */
  #tunnel(codec: Codec, target: TunnelTarget): void {
    if (!(codec instanceof Http1Server)) return;
    const { plane, services } = this.#options;
    const beginning = new Beginning(this.#socket, {
      timeoutMs: SERVER_FIRST_MS,
      look: (early, isOver) => {
        const protocol = sniff(early);
        if (protocol === 'incomplete' && !isOver) return false;
        const hello = protocol === 'tls' ? clientHello(early) : undefined;
        if (hello === 'incomplete' && !isOver) return false;
        if (protocol === 'http1' || protocol === 'http2') {
          this.#destination = target.destination;
          const inner = this.#codec(protocol === 'http2' ? 'h2' : 'http/1.1', target.port);
          beginning.handOn(inner);
          inner.attach(this.#socket, early);
          return true;
        }
        beginning.handOn(NOBODY);
        this.#socket.once('close', () => this.#over());
        const sni = typeof hello === 'object' ? { sni: hello.sni } : {};
        const arrival = { plane, peer: this.#peer, port: target.port, host: target.host, ...sni };
        this.#held = carryConnection(
          this.#socket,
          Buffer.from(early),
          target.destination === undefined
            ? arrival
            : { ...arrival, destination: target.destination },
          services,
        );
        return true;
      },
      onGone: () => this.#over(),
    });
    const early = codec.handOver(ESTABLISHED, beginning);
    this.#held = undefined;
    if (early.length > 0) beginning.onBytes(early, early.length);
  }

  #carry(socket: Socket, early: Buffer, sni?: string): void {
    const { plane, role, services } = this.#options;
    socket.once('close', () => this.#over());
    this.#held = carryConnection(
      socket,
      early,
      {
        plane,
        peer: this.#peer,
        port: this.#port,
        ...(sni === undefined ? {} : { sni }),
        ...(role.kind === 'service' ? { host: role.host } : {}),
        ...(this.#destination === undefined ? {} : { destination: this.#destination }),
      },
      services,
    );
  }

  #peek(
    early: Buffer,
    look: (early: Buffer, isOver: boolean) => boolean,
    timeoutMs: number = this.#options.services.limits.headTimeoutMs,
  ): void {
    if (early.length > 0 && look(early, false)) return;
    peek(this.#socket, {
      mode: this.#options.services.mode,
      timeoutMs,
      look: (more, isOver) =>
        look(early.length === 0 ? more : Buffer.concat([early, more]), isOver),
      onGone: () => {
        this.#socket.destroy();
        this.#over();
      },
    });
  }

  #refuse(details: string): void {
    this.#options.services.host.log(
      `{"time":${Date.now()},"protocol":"tcp","port":${this.#port},"details":"${details}","client":"${this.#peer.ip}"}`,
    );
    this.#socket.destroy();
    this.#over();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#standing?.cancel();
    const options = this.#options;
    options.services.upstreams.release(this.#peer);
    options.onClosed();
  }
}
