/** Ends TLS of accepted connections whose ClientHello was read already. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { Server, TLSSocket } from 'node:tls';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import type { Listener, ListenerTls } from '../../src/model/snapshot.ts';
import { clientHello } from '../sniff/client-hello.ts';
import type { ClientHello } from '../sniff/client-hello.ts';
import { KeptContexts } from './contexts.ts';
import type { TlsServices } from './contexts.ts';
import { checkClient } from './peer.ts';
import type { VerifiedClient } from './peer.ts';
import { dnsNameFits } from './names.ts';
import { asksForCertificate, credentialsFor, dnsNamesOf, serverOptions } from './server-options.ts';

export interface TerminationOptions extends TlsServices {
  /** @default 10,000 */
  readonly handshakeTimeoutMs?: number;
  /** Handshakes under way; beyond it connections are closed unheard. @default 1,024 */
  readonly maxHandshakes?: number;
}

interface Arrival {
  readonly tls: ListenerTls;
  readonly hello: ClientHello;
  /** Protocols that may be spoken inside, the best first; none = bytes that nobody reads. */
  readonly alpn: readonly string[];
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
  readonly certificateNames: readonly string[];
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
/** The end of a connection comes in no such context. By an undocumented field, and so for the reason's sake alone. */
const byAccepted = new WeakMap<Socket, Handshake>();

const handshakeOf = (socket: TLSSocket): Handshake | undefined =>
  underWay.getStore() ?? byAccepted.get((socket as unknown as { _parent: Socket })._parent);

class Handshake {
  readonly #accepted: Socket;
  readonly #timer: NodeJS.Timeout;
  #socket: TLSSocket | undefined;
  #settle: ((outcome: TLSSocket | HandshakeFault) => void) | undefined;

  constructor(
    accepted: Socket,
    timeoutMs: number,
    settle: (outcome: TLSSocket | HandshakeFault) => void,
  ) {
    this.#accepted = accepted;
    this.#settle = settle;
    this.#timer = setTimeout(() => this.fail('timeout', 'no handshake within its time'), timeoutMs);
    // Whoever knows a better reason tells it at the same time.
    accepted.once('close', () => setImmediate(() => this.fail('closed', 'the client went away')));
    accepted.on('error', () => undefined);
  }

  secured(socket: TLSSocket): void {
    if (this.#settle === undefined) {
      socket.destroy();
      return;
    }
    // From now on a client may end before it is answered.
    socket.allowHalfOpen = true;
    this.#socket = socket;
    this.#end(socket);
  }

  fail(reason: string, message: string): void {
    if (this.#settle === undefined) return;
    this.#end(new HandshakeFault(reason, message));
    this.#socket?.destroy();
    this.#accepted.destroy();
  }

  #end(outcome: TLSSocket | HandshakeFault): void {
    clearTimeout(this.#timer);
    const settle = this.#settle;
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

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

export class Termination {
  readonly #options: TerminationOptions;
  readonly #contexts: KeptContexts<Terminating>;
  #handshakes = 0;

  constructor(options: TerminationOptions) {
    this.#options = options;
    this.#contexts = new KeptContexts(options);
  }

  get handshakes(): number {
    return this.#handshakes;
  }

  close(): void {
    this.#contexts.close();
  }

  /**
   * Whether TLS that reaches the listener ends here. `hello` matters where an application may bring TLS of its own:
   * behind a listener that takes both, what doesn't come from a proxy of the mesh is the application's.
   */
  terminates(listener: Listener, hello?: ClientHello): boolean {
    if (settingsOf(listener) === undefined) return false;
    const takesBoth = listener.tls === undefined && listener.mtls !== 'STRICT';
    if (hello === undefined || !takesBoth || isHttp(listener)) return true;
    return hello.alpn.some((name) => MESH_PROTOCOL.test(name));
  }

  /**
   * @param accepted paused; nobody reads it any more
   * @param early what was read of it: the ClientHello, and what came behind
   * @throws HandshakeFault, which was logged: the connection is closed
   */
  async terminate(accepted: Socket, early: Buffer, listener: Listener): Promise<Secured> {
    const { remoteAddress: client = '' } = accepted;
    try {
      return await this.#bounded(accepted, early, listener);
    } catch (error) {
      accepted.destroy();
      const fault =
        error instanceof HandshakeFault ? error : new HandshakeFault('no-secret', reasonOf(error));
      const details = `tls_handshake_${fault.reason}`;
      this.#options.log(
        JSON.stringify({
          time: Date.now(),
          protocol: 'tcp',
          port: listener.port,
          details,
          reason: fault.message.trim(),
          client,
        }),
      );
      throw fault;
    }
  }

  async #bounded(accepted: Socket, early: Buffer, listener: Listener): Promise<Secured> {
    const tls = settingsOf(listener);
    const hello = clientHello(early);
    if (tls === undefined) throw new HandshakeFault('no-listener', 'the listener ends no TLS');
    if (typeof hello === 'string') throw new HandshakeFault('no-hello', `ClientHello is ${hello}`);
    const { maxHandshakes = DEFAULT_MAX_HANDSHAKES } = this.#options;
    if (this.#handshakes >= maxHandshakes)
      throw new HandshakeFault('overload', 'too many handshakes are under way');
    this.#handshakes++;
    try {
      const arrival = { tls, hello, alpn: isHttp(listener) ? HTTP : BYTES };
      const terminating = this.#contextFor(arrival);
      const socket = await this.#handshake(accepted, early, terminating.server);
      return this.#describe(socket, terminating, arrival);
    } finally {
      this.#handshakes--;
    }
  }

  #handshake(accepted: Socket, early: Buffer, server: Server): Promise<TLSSocket> {
    const { handshakeTimeoutMs = DEFAULT_TIMEOUT_MS } = this.#options;
    if (accepted.destroyed) throw new HandshakeFault('closed', 'the client went away');
    return new Promise((resolve, reject) => {
      const handshake = new Handshake(accepted, handshakeTimeoutMs, (outcome) => {
        if (outcome instanceof HandshakeFault) reject(outcome);
        else resolve(outcome);
      });
      byAccepted.set(accepted, handshake);
      // The socket made of it takes this over: who ends before the handshake does has gone.
      accepted.allowHalfOpen = false;
      if (early.length > 0) accepted.unshift(early);
      underWay.run(handshake, () => server.emit('connection', accepted));
    });
  }

  #describe(socket: TLSSocket, { certificateNames }: Terminating, arrival: Arrival): Secured {
    const { tls, hello } = arrival;
    socket.on('error', () => undefined);
    const certificate: X509Certificate | undefined = asksForCertificate(tls)
      ? socket.getPeerX509Certificate()
      : undefined;
    const client = checkClient(tls, certificate, socket.authorized);
    if (typeof client === 'string') {
      socket.destroy();
      throw new HandshakeFault('refused-certificate', client);
    }
    const { alpnProtocol } = socket;
    return {
      socket,
      alpn: typeof alpnProtocol === 'string' ? alpnProtocol : '',
      sni: hello.sni,
      ...(certificateNames.length === 0
        ? {}
        : { isFor: (host: string) => certificateNames.some((name) => dnsNameFits(name, host)) }),
      ...client,
    };
  }

  #contextFor({ tls, hello, alpn }: Arrival): Terminating {
    const { secrets } = this.#options;
    const names = credentialsFor(tls, hello.sni, secrets);
    // One that offers nothing but names of the mesh leaves the protocol to us.
    const offered = hello.alpn.filter((name) => !MESH_PROTOCOL.test(name));
    const protocols = offered.length === 0 && tls.mode === 'ISTIO_MUTUAL' ? [] : alpn;
    const key = canonicalJson([tls, names, protocols]);
    return this.#contexts.get(key, (find) => {
      const server = createServer({
        ...serverOptions(tls, names, protocols, find),
        allowHalfOpen: true,
      });
      server.on('secureConnection', (socket) => {
        const handshake = underWay.getStore();
        if (handshake === undefined) socket.destroy();
        else handshake.secured(socket);
      });
      server.on('tlsClientError', onClientError);
      const certificateNames = names.flatMap((name) => dnsNamesOf(find(name) ?? {}));
      return { server, certificateNames };
    });
  }
}
