/** Ends TLS of accepted connections whose ClientHello was read already. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { Server, TLSSocket } from 'node:tls';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import type { PeerCertificate } from '../../src/model/identity.ts';
import type { Listener, ListenerTls } from '../../src/model/snapshot.ts';
import { Deadline, Deadlines } from '../sockets/deadlines.ts';
import type { ClientHello } from '../sniff/client-hello.ts';
import { KeptContexts } from './contexts.ts';
import type { TlsServices } from './contexts.ts';
import { KnownCertificates } from './known-certificates.ts';
import type { KnownCertificate } from './known-certificates.ts';
import { checkClient } from './peer.ts';
import type { VerifiedClient } from './peer.ts';
import { toldOf } from './told.ts';
import type { MeshTrust } from './trust.ts';
import { dnsNameFits } from './names.ts';
import { asksForCertificate, credentialsFor, dnsNamesOf, serverOptions } from './server-options.ts';

export interface TerminationOptions extends TlsServices {
  readonly trust: MeshTrust;
  /** @default 10,000 */
  readonly handshakeTimeoutMs?: number;
  /** Handshakes under way; beyond it connections are closed unheard. @default 1,024 */
  readonly maxHandshakes?: number;
}

/** What is known of a connection by its first bytes. */
export interface FirstFlight {
  /** What was read: the ClientHello, and what came behind. */
  readonly early: Buffer;
  readonly hello: ClientHello;
  /** Whose TLS it is. */
  readonly listener: Listener;
}

/** One of them is told, once. */
export interface TerminationEvents {
  onSecured(secured: Secured): void;
  /** It was logged, and the connection is closed. */
  onRefused(fault: HandshakeFault): void;
}

export interface Secured extends VerifiedClient {
  /** It may hold bytes already that came with the handshake: they are read like any others. */
  readonly socket: TLSSocket;
  /** '' = none was agreed on. */
  readonly alpn: string;
  readonly sni: string;
  /** Whether the certificate that was shown is for a host: a request for another one is misdirected. Absent = it names none. */
  readonly isFor?: (host: string) => boolean;
}

/** Why a connection wasn't secured. It is closed. */
export class HandshakeFault extends Error {
  override readonly name: string = 'HandshakeFault';
  /** `timeout`, `overload`, `closed`, `no-secret`, `refused-certificate` or OpenSSL's code. */
  readonly reason: string;
  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

interface Terminating {
  readonly server: Server;
  readonly isFor: ((host: string) => boolean) | undefined;
}

/** What a sidecar ends TLS with: it serves the mesh by the mesh's own certificate. */
const MESH_TLS: ListenerTls = { mode: 'ISTIO_MUTUAL', credentialNames: [] };

const HTTP: readonly string[] = ['h2', 'http/1.1'];
const BYTES: readonly string[] = [];

/** Undefined = it is carried as it is. */
function settingsOf({ tls, direction, mtls }: Listener): ListenerTls | undefined {
  if (tls !== undefined)
    return tls.mode === 'PASSTHROUGH' || tls.mode === 'AUTO_PASSTHROUGH' ? undefined : tls;
  return direction === 'inbound' && mtls !== 'DISABLE' ? MESH_TLS : undefined;
}

const isHttp = ({ protocol }: Listener): boolean => protocol === 'HTTP' || protocol === 'HTTPS';

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_MAX_HANDSHAKES = 1024;

/** What clients of the mesh offer beside HTTP's names, to be told from applications that bring TLS of their own. */
const MESH_PROTOCOL = /^istio/;

/** Events of a handshake come in the context that it was begun in: so each finds its own among those of one server. */
const underWay = new AsyncLocalStorage<Handshake>();

/** The end of a connection comes in no such context: an accepted socket knows its handshake itself. */
const HANDSHAKE = Symbol('handshake');
type Begun = Socket & { [HANDSHAKE]?: Handshake | undefined };

/** By an undocumented field, and so for the reason's sake alone. */
const handshakeOf = (socket: TLSSocket): Handshake | undefined =>
  underWay.getStore() ?? (socket as unknown as { _parent?: Begun })._parent?.[HANDSHAKE];

const emitConnection = (server: Server, accepted: Socket): boolean =>
  server.emit('connection', accepted);
const noop = (): void => undefined;

function onAcceptedClosed(this: Begun): void {
  const handshake = this[HANDSHAKE];
  // Whoever knows a better reason tells it at the same time.
  if (handshake?.isOver === false)
    setImmediate(() => handshake.fail('closed', 'the client went away'));
}

type Settle = (outcome: TLSSocket | HandshakeFault) => void;

class Handshake {
  readonly deadline: Deadline;
  #accepted: Begun | undefined;
  #settle: Settle | undefined;

  constructor(accepted: Socket, settle: Settle) {
    this.#accepted = accepted;
    this.#settle = settle;
    this.deadline = new Deadline(() => this.fail('timeout', 'no handshake within its time'));
  }

  get isOver(): boolean {
    return this.#settle === undefined;
  }

  begin(server: Server, early: Buffer): void {
    const accepted = this.#accepted;
    if (accepted === undefined) return;
    accepted[HANDSHAKE] = this;
    accepted.on('close', onAcceptedClosed);
    accepted.on('error', noop);
    // The socket made of it takes this over: who ends before the handshake does has gone.
    accepted.allowHalfOpen = false;
    if (early.length > 0) accepted.unshift(early);
    underWay.run(this, emitConnection, server, accepted);
  }

  secured(socket: TLSSocket): void {
    if (this.isOver) {
      socket.destroy();
      return;
    }
    // From now on a client may end before it is answered.
    socket.allowHalfOpen = true;
    this.#end(socket);
  }

  fail(reason: string, message: string): void {
    if (!this.isOver) this.#end(new HandshakeFault(reason, message));
  }

  /** The context that knows it is alive as long as the connection: it keeps nothing. */
  #end(outcome: TLSSocket | HandshakeFault): void {
    const settle = this.#settle;
    if (this.#accepted !== undefined) this.#accepted[HANDSHAKE] = undefined;
    this.#accepted = undefined;
    this.#settle = undefined;
    settle?.(outcome);
  }
}

function onClientError(error: NodeJS.ErrnoException, socket: TLSSocket): void {
  const { code = 'unknown', message } = error;
  const refused = socket.authorizationError as unknown;
  // Node closes the connection of a client whose certificate it refuses, and says no more than that.
  const isRefusal = code === 'ECONNRESET' && refused !== null && refused !== undefined;
  const handshake = handshakeOf(socket);
  if (isRefusal) handshake?.fail('refused-certificate', reasonOf(refused));
  else handshake?.fail(code === 'ECONNRESET' ? 'closed' : code, message);
  socket.destroy();
}

function onSecureConnection(socket: TLSSocket): void {
  const handshake = underWay.getStore();
  if (handshake === undefined) socket.destroy();
  else handshake.secured(socket);
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

export class Termination {
  readonly #options: TerminationOptions;
  readonly #contexts: KeptContexts<Terminating>;
  readonly #clients = new KnownCertificates();
  readonly #deadlines = new Deadlines();
  #handshakes = 0;

  constructor(options: TerminationOptions) {
    this.#options = options;
    this.#contexts = new KeptContexts(options);
  }

  get handshakes(): number {
    return this.#handshakes;
  }

  /** Whom clients are judged by. */
  get trust(): MeshTrust {
    return this.#options.trust;
  }

  /** What those behind are told of a client's certificate. */
  told(certificate: KnownCertificate): PeerCertificate {
    return toldOf(certificate, this.trust.ownUri);
  }

  close(): void {
    this.#contexts.close();
    this.#deadlines.close();
  }

  /**
   * Whether TLS that reaches the listener ends here. `hello` matters where an application may bring TLS of its own:
   * behind a listener that takes both, what doesn't come from a proxy of the mesh is the application's.
   */
  terminates(listener: Listener, hello?: ClientHello): boolean {
    if (settingsOf(listener) === undefined) return false;
    const takesBoth = listener.tls === undefined && listener.mtls !== 'STRICT';
    if (hello === undefined || !takesBoth || isHttp(listener)) return true;
    return hello.alpn.some(isOfMesh);
  }

  /** @param accepted paused; nobody reads it any more */
  terminate(accepted: Socket, first: FirstFlight, events: TerminationEvents): void {
    const { early, listener } = first;
    const tls = settingsOf(listener);
    let handshake: Handshake;
    let terminating: Terminating;
    const refuse = (fault: HandshakeFault): void => {
      this.#logRefused(accepted, listener, fault);
      accepted.destroy();
      events.onRefused(fault);
    };
    try {
      if (tls === undefined) throw new HandshakeFault('no-listener', 'the listener ends no TLS');
      this.#admit(accepted);
      terminating = this.#contextFor(tls, first);
    } catch (error) {
      refuse(
        error instanceof HandshakeFault ? error : new HandshakeFault('no-secret', reasonOf(error)),
      );
      return;
    }
    handshake = new Handshake(accepted, (outcome) => {
      this.#handshakes--;
      this.#deadlines.set(handshake.deadline, 0);
      const secured =
        outcome instanceof HandshakeFault
          ? outcome
          : this.#describe(outcome, terminating, tls, first.hello);
      if (secured instanceof HandshakeFault) refuse(secured);
      else events.onSecured(secured);
    });
    this.#handshakes++;
    this.#deadlines.set(handshake.deadline, this.#options.handshakeTimeoutMs ?? DEFAULT_TIMEOUT_MS);
    handshake.begin(terminating.server, early);
  }

  /** @throws HandshakeFault */
  #admit(accepted: Socket): void {
    const { maxHandshakes = DEFAULT_MAX_HANDSHAKES } = this.#options;
    if (this.#handshakes >= maxHandshakes)
      throw new HandshakeFault('overload', 'too many handshakes are under way');
    if (accepted.destroyed) throw new HandshakeFault('closed', 'the client went away');
  }

  #logRefused({ remoteAddress: client = '' }: Socket, { port }: Listener, fault: Error): void {
    const { reason } = fault as HandshakeFault;
    this.#options.log(
      JSON.stringify({
        time: Date.now(),
        protocol: 'tcp',
        port,
        details: `tls_handshake_${reason}`,
        reason: fault.message.trim(),
        client,
      }),
    );
  }

  #describe(
    socket: TLSSocket,
    { isFor }: Terminating,
    tls: ListenerTls,
    { sni }: ClientHello,
  ): Secured | HandshakeFault {
    socket.on('error', noop);
    const certificate: X509Certificate | undefined = asksForCertificate(tls)
      ? socket.getPeerX509Certificate()
      : undefined;
    const { trust } = this.#options;
    const checks = { known: this.#clients, trust };
    const client = checkClient(tls, certificate, socket.authorized, checks);
    if (typeof client === 'string') {
      socket.destroy();
      return new HandshakeFault('refused-certificate', client);
    }
    const { alpnProtocol } = socket;
    const alpn = typeof alpnProtocol === 'string' ? alpnProtocol : '';
    const secured = { socket, alpn, sni, ...client };
    return isFor === undefined ? secured : { ...secured, isFor };
  }

  #contextFor(tls: ListenerTls, { hello, listener }: FirstFlight): Terminating {
    const names = credentialsFor(tls, hello.sni, this.#options.secrets);
    const alpn = isHttp(listener) ? HTTP : BYTES;
    // One that offers nothing but names of the mesh leaves the protocol to us.
    const isOurs = tls.mode === 'ISTIO_MUTUAL' && hello.alpn.every(isOfMesh);
    const protocols = isOurs ? BYTES : alpn;
    return this.#contexts.get(keyOf(tls, names, protocols), (find) => {
      const server = createServer({
        ...serverOptions(tls, names, protocols, find),
        allowHalfOpen: true,
      });
      server.on('secureConnection', onSecureConnection);
      server.on('tlsClientError', onClientError);
      const shown = names.flatMap((name) => dnsNamesOf(find(name) ?? {}));
      const isFor = (host: string): boolean => shown.some((name) => dnsNameFits(name, host));
      return { server, isFor: shown.length === 0 ? undefined : isFor };
    });
  }
}

const isOfMesh = (name: string): boolean => MESH_PROTOCOL.test(name);

/** Of listeners with one credential: all that is left to a client is whether a protocol is agreed on. */
const keys = new WeakMap<ListenerTls, { [protocols: number]: string }>();

function keyOf(tls: ListenerTls, names: readonly string[], protocols: readonly string[]): string {
  const write = (): string => canonicalJson([tls, names, protocols]);
  if (names.length > 1 || tls.credentialNames.length > 1) return write();
  let known = keys.get(tls);
  if (known === undefined) keys.set(tls, (known = {}));
  return (known[protocols.length] ??= write());
}
