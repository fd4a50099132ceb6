/** A connection that isn't read as HTTP: decided, connected to an endpoint, and carried both ways until both are done. */
import type { Socket } from 'node:net';
import type { UpstreamFailure } from '../../src/model/error.ts';
import type { Exchange } from '../../src/model/exchange.ts';
import type { MongoTarget } from '../../src/model/mongo.ts';
import type { ConnectionEnd, MongoCarried } from '../../src/proxy/index.ts';
import { Deadline } from '../sockets/deadlines.ts';
import { takeTurn } from '../sockets/turn.ts';
import { Branch } from './branch.ts';
import type { BranchOwner } from './branch.ts';
import type {
  BranchEvents,
  CarriedArrival,
  CarriedBranch,
  CarriedConnection,
  CarriedControl,
  CarriedWatcher,
  CarryServices,
  MongoWatching,
} from './contract.ts';
import { Dialer } from './dial.ts';
import { Flow } from './flow.ts';
import type { FlowEvents } from './flow.ts';
import { gather } from './reading.ts';

export type { CarriedArrival, CarriedConnection, CarryServices } from './contract.ts';

/** As Envoy's and Istio's. */
const IDLE_TIMEOUT_MS = 3_600_000;
/** Large buffers of a connection that has been quiet for so long serve others. */
const REST_MS = 2000;
/** How long a first message may take that must be read before a server is chosen, and how long it may be. */
const FIRST_MESSAGE_MS = 10_000;
const FIRST_MESSAGE_BYTES = 65_536;

const noop = (): void => undefined;

class Carried implements CarriedConnection, FlowEvents, CarriedControl {
  readonly #client: Socket;
  readonly #arrival: CarriedArrival;
  readonly #services: CarryServices;
  readonly #dialer: Dialer;
  readonly #x: Exchange;
  #early: Buffer;
  #server: Socket | undefined;
  #up: Flow | undefined;
  #down: Flow | undefined;
  #watcher: CarriedWatcher | undefined;
  #cancelConnect: () => void = noop;
  readonly #branches = new Set<Branch>();
  /** Of branches that are closed. */
  readonly #branched = { bytesSent: 0, bytesReceived: 0 };
  #isOver = false;
  #isDraining = false;
  #open = 1;
  #cause: Pick<ConnectionEnd, 'flag' | 'details'> = {};
  #idleMs = 0;
  readonly #idle = new Deadline(() => this.#abort({ details: 'tcp_session_idle_timeout' }));
  readonly #oldest = new Deadline(() =>
    this.#abort({ flag: 'DT', details: 'max_connection_duration' }),
  );
  readonly #rest = new Deadline(() => {
    this.#up?.rest();
    this.#down?.rest();
  });

  constructor(client: Socket, early: Buffer, arrival: CarriedArrival, services: CarryServices) {
    this.#client = client;
    this.#early = early;
    this.#arrival = arrival;
    this.#services = services;
    this.#dialer = new Dialer(client, arrival, services);
    const { plane, peer, port, sni, destination, host } = arrival;
    const { linked } = plane;
    if (linked === undefined) throw new Error('a connection is carried without a configuration');
    client.on('error', noop);
    client.on('close', (hadError) => this.#onClosed(client, hadError));
    this.#x = plane.connections.begin({
      linked,
      port,
      peer:
        sni === undefined || peer.tls !== undefined
          ? peer
          : { ...peer, tls: { sni, mutual: false } },
      ...(destination === undefined ? {} : { destinationIp: destination.ip }),
      ...(host === undefined ? {} : { host }),
    });
  }

  start(): void {
    const { waiting } = this.#x;
    if (waiting === undefined) {
      this.#decided();
      return;
    }
    // Nothing is read meanwhile, but whoever waits should see that a client has gone.
    this.#client.pause();
    const decide = (): void => {
      if (!this.#isOver && !this.#client.destroyed) this.#decided();
    };
    void waiting.then(() =>
      takeTurn(decide, (error) => {
        this.#services.onFault(error);
        this.#client.destroy();
      }),
    );
  }

  #decided(): void {
    if (this.#x.reply !== undefined) {
      this.#client.destroy();
      return;
    }
    const { connections } = this.#arrival.plane;
    const { mongo } = this.#services;
    const carried = mongo === undefined ? undefined : connections.mongoOf(this.#x);
    if (mongo === undefined || carried === undefined) this.#connect();
    else if (carried.rules?.hasRoutes === true) this.#readFirst(mongo, carried);
    else this.#connectWatched(mongo, carried);
  }

  drain(): void {
    this.#isDraining = true;
    if (this.#watcher?.isQuiet !== true) return;
    const client = this.#client;
    const end = (): void => this.#abort({ details: 'drained' });
    if (client.writableLength === 0) end();
    else if (!client.writableEnded) {
      // What it was answered last is still on its way.
      client.once('finish', end);
      client.end();
    }
  }

  cut(details: string): void {
    this.#abort({ details });
  }

  onActivity(isBulk: boolean): void {
    // Whether these bytes ended an operation is known when they have been read.
    if (this.#isDraining) setImmediate(() => this.drain());
    const { deadlines } = this.#services;
    deadlines.set(this.#idle, this.#idleMs);
    if (isBulk) deadlines.set(this.#rest, REST_MS);
  }

  onEnd(): void {
    // Sockets close by themselves when both directions have ended.
  }

  toServer(bytes: Buffer, start: number, end: number): void {
    this.#up?.send(bytes, start, end);
  }

  toClient(bytes: Buffer): void {
    const down = this.#down;
    if (down === undefined) return;
    down.bytes += bytes.length;
    down.send(bytes, 0, bytes.length);
  }

  holdClient(): void {
    this.#up?.hold();
  }

  releaseClient(): void {
    if (!this.#isOver) this.#up?.release();
  }

  deferEnd(): void {
    this.#up?.deferEnd();
  }

  endDeferral(): void {
    if (!this.#isOver) this.#up?.endDeferral();
  }

  get cluster(): string {
    return this.#x.cluster?.name ?? '';
  }

  clusterOf(target: MongoTarget): string | undefined {
    return this.#arrival.plane.connections.clusterOf(this.#x, target);
  }

  branch(cluster: string, events: BranchEvents): CarriedBranch {
    const x = this.#arrival.plane.connections.branch(this.#x, cluster);
    const branch = new Branch(x, this.#branchOwner(), events);
    this.#branches.add(branch);
    // Each listens until the client has taken what was written.
    this.#client.setMaxListeners(this.#client.getMaxListeners() + 1);
    branch.start();
    return branch;
  }

  abort(cause: Pick<ConnectionEnd, 'flag' | 'details'>): void {
    this.#abort(cause);
  }

  #branchOwner(): BranchOwner {
    return {
      client: this.#client,
      arrival: this.#arrival,
      services: this.#services,
      dialer: this.#dialer,
      idleMs: IDLE_TIMEOUT_MS,
      onActivity: (isBulk) => this.onActivity(isBulk),
      holdClient: () => this.holdClient(),
      releaseClient: () => this.releaseClient(),
      onBranchEnd: (branch) => {
        this.#branches.delete(branch);
        this.#client.setMaxListeners(this.#client.getMaxListeners() - 1);
        this.#branched.bytesSent += branch.bytes.bytesSent;
        this.#branched.bytesReceived += branch.bytes.bytesReceived;
      },
    };
  }

  #connectWatched(mongo: MongoWatching, carried: MongoCarried): void {
    this.#watcher = mongo.watch(this.#x, carried, this);
    this.#connect();
  }

  /** The first message decides where to. What takes too long or says nothing goes where its route says. */
  #readFirst(mongo: MongoWatching, carried: MongoCarried): void {
    const client = this.#client;
    const { deadlines } = this.#services;
    const decide = (target: MongoTarget | 'stay'): void => {
      deadlines.set(waited, 0);
      client.pause();
      client.removeListener('end', onEnd);
      if (target !== 'stay') this.#arrival.plane.connections.reroute(this.#x, target);
      if (this.#x.reply === undefined) this.#connectWatched(mongo, carried);
      else client.destroy();
    };
    const onEnd = (): void => {
      client.destroy();
    };
    const waited = new Deadline(() => {
      if (!this.#isOver) decide('stay');
    });
    const look = (): boolean => {
      const target =
        this.#early.length > FIRST_MESSAGE_BYTES ? 'stay' : mongo.route(carried, this.#early);
      if (target !== undefined) decide(target);
      return target !== undefined;
    };
    if (look()) return;
    deadlines.set(waited, FIRST_MESSAGE_MS);
    client.once('end', onEnd);
    gather(client, this.#services.mode, (bytes) => {
      this.#early = Buffer.concat([this.#early, bytes]);
      return look();
    });
  }

  #connect(): void {
    const cancel = this.#dialer.dial(this.#x, {
      onConnected: (socket) => this.#onConnected(socket),
      onFailed: (failure) => this.#onFailed(failure),
    });
    if (cancel === undefined) this.#onFailed('connect-failure');
    else this.#cancelConnect = cancel;
  }

  #onFailed(failure: UpstreamFailure): void {
    if (this.#isOver) return;
    if (this.#arrival.plane.connections.onConnectFailure(this.#x, failure)) this.#connect();
    else this.#client.destroy();
  }

  #onConnected(server: Socket): void {
    const client = this.#client;
    server.on('error', noop);
    if (this.#isOver) {
      server.destroy();
      return;
    }
    this.#server = server;
    this.#open++;
    server.on('close', (hadError) => this.#onClosed(server, hadError));
    const { mode, deadlines } = this.#services;
    const watcher = this.#watcher;
    const up = new Flow({
      from: client,
      to: server,
      mode,
      events: this,
      gate: watcher?.gate,
      tap: watcher?.fromClient,
    });
    const down = new Flow({
      from: server,
      to: client,
      mode,
      events: this,
      tap: watcher?.fromServer,
    });
    this.#up = up;
    this.#down = down;
    const pool = this.#x.cluster?.pool;
    this.#idleMs = pool?.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    deadlines.set(this.#idle, this.#idleMs);
    deadlines.set(this.#oldest, pool?.maxConnectionDurationMs ?? 0);
    const early = this.#early;
    this.#early = NOTHING;
    up.begin(early);
    down.begin(NOTHING);
    up.start();
    down.start();
  }

  /** Both sides see that it was cut, not that it ended. */
  #abort(cause: Pick<ConnectionEnd, 'flag' | 'details'>): void {
    if (this.#isOver) return;
    this.#cause = cause;
    this.#client.destroy();
    this.#server?.destroy();
  }

  #onClosed(socket: Socket, hadError: boolean): void {
    this.#open--;
    this.#cancelConnect();
    const other = socket === this.#client ? this.#server : this.#client;
    const isWhole = !hadError && socket.readableEnded && socket.writableFinished;
    if (other !== undefined && !isWhole && !other.destroyed) {
      if (this.#cause.details === undefined && this.#x.reply === undefined)
        this.#cause =
          socket === this.#client
            ? { flag: 'DC', details: 'downstream_reset' }
            : { flag: 'UC', details: 'upstream_reset' };
      cut(other);
    } else if (other === undefined && this.#x.reply === undefined)
      this.#cause = { flag: 'DC', details: 'downstream_closed_before_connect' };
    if (this.#open === 0) this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { deadlines } = this.#services;
    for (const deadline of [this.#idle, this.#oldest, this.#rest]) deadlines.set(deadline, 0);
    this.#watcher?.onEnd();
    for (const branch of this.#branches) branch.close();
    const branched = this.#branched;
    const bytes = {
      bytesReceived: this.#up?.bytes ?? this.#early.length,
      bytesSent: (this.#down?.bytes ?? 0) + branched.bytesSent,
      ...(branched.bytesReceived === 0 ? {} : { branched }),
    };
    this.#up?.close();
    this.#down?.close();
    this.#arrival.plane.connections.onEnd(this.#x, { ...bytes, ...this.#cause });
  }
}

const NOTHING = Buffer.alloc(0);

/** A cut that reads as an end would make a part of a message look whole. */
function cut(socket: Socket): void {
  if ('encrypted' in socket) socket.destroy();
  else socket.resetAndDestroy();
}

/**
 * Takes over a socket that nobody reads any more; `early` are the bytes that were read of it. It stays the same object,
 * and closes when the connection is over.
 */
export function carryConnection(
  socket: Socket,
  early: Buffer,
  arrival: CarriedArrival,
  services: CarryServices,
): CarriedConnection {
  if (arrival.plane.linked === undefined) {
    socket.on('error', noop);
    socket.destroy();
    services.host.log(
      `{"time":${services.host.clock.nowMs()},"protocol":"tcp","details":"no_configuration","client":"${arrival.peer.ip}"}`,
    );
    return { drain: noop, cut: noop };
  }
  socket.allowHalfOpen = true;
  const carried = new Carried(socket, early, arrival, services);
  try {
    carried.start();
  } catch (error) {
    services.onFault(error);
    socket.destroy();
  }
  return carried;
}
