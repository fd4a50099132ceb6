/** What a carried connection is given, and what watches it. */
import type { Host } from '../../src/host/host.ts';
import type { Exchange } from '../../src/model/exchange.ts';
import type { Peer } from '../../src/model/identity.ts';
import type { MongoTarget } from '../../src/model/mongo.ts';
import type { ConnectionEnd, MongoCarried } from '../../src/proxy/index.ts';
import type { Plane } from '../plane.ts';
import type { ServerGuard } from '../pool/lifetime.ts';
import type { IsOwnPort } from '../pool/own-ports.ts';
import type { TlsFor, UpstreamTarget } from '../pool/upstreams.ts';
import type { Address } from '../sniff/proxy-protocol.ts';
import type { Deadlines } from '../sockets/deadlines.ts';
import type { ReadMode } from '../sockets/reading.ts';
import type { FlowWatcher } from './flow.ts';

export interface CarriedArrival {
  readonly plane: Plane;
  readonly peer: Peer;
  /** Listener port in the snapshot. */
  readonly port: number;
  /** Of a ClientHello that was read and not answered; '' = it named none. */
  readonly sni?: string;
  /** Where the client wanted to go, where somebody knows. */
  readonly destination?: Address;
  /** The service that everything of the front is for. */
  readonly host?: string;
}

export interface CarryServices {
  readonly host: Host;
  readonly deadlines: Deadlines;
  readonly mode: ReadMode;
  readonly tlsFor: TlsFor;
  /** @default nobody watches what servers of the mesh proved */
  readonly guard?: ServerGuard;
  /** Told why a server isn't spoken to. @default nobody wants to know */
  readonly onRefused?: (target: UpstreamTarget, reason: string) => void;
  /** @default no port is known to be */
  readonly isOwnPort?: IsOwnPort;
  /** Address of the local application, where an endpoint stands for it. @default none */
  addressOf?(target: UpstreamTarget): { readonly host: string; readonly port: number } | undefined;
  /** Looks into what MongoDB's clients and servers say. @default nobody does */
  readonly mongo?: MongoWatching;
  /** Something that nobody foresaw; the connection is given up. */
  onFault(error: unknown): void;
}

/** What a watcher may do with the connection that it watches. */
export interface CarriedControl {
  /** Where the connection's own server is. */
  readonly cluster: string;
  /** To the server, in order. */
  toServer(bytes: Buffer, start: number, end: number): void;
  toClient(bytes: Buffer): void;
  /** Nothing more is read from the client until `releaseClient`. */
  holdClient(): void;
  releaseClient(): void;
  /** The server isn't told that the client is done until `endDeferral`. */
  deferEnd(): void;
  endDeferral(): void;
  /** Name of a cluster; undefined = the proxy knows none. */
  clusterOf(target: MongoTarget): string | undefined;
  /** Opens one more connection, to a cluster by its name. It closes with the client's at the latest. */
  branch(cluster: string, events: BranchEvents): CarriedBranch;
  /** Cuts all that is open. */
  abort(cause: Pick<ConnectionEnd, 'flag' | 'details'>): void;
}

/** None is called before `branch` has returned; after `onFailed` or `onClosed` nothing more comes. */
export interface BranchEvents {
  onOpen(): void;
  /** It couldn't be had. */
  onFailed(details: string): void;
  /** Lent. True: they go to the client. */
  onBytes(bytes: Buffer, start: number, end: number): boolean;
  /** The server is done or gone, or it has lasted too long. */
  onClosed(details: string): void;
}

export interface CarriedBranch {
  /** Of the client's. Copied. */
  send(bytes: Buffer, start: number, end: number): void;
  /** Of the watcher's own: not counted. Copied. */
  sendOwn(bytes: Buffer): void;
  /** Nothing more comes of it. */
  close(): void;
}

export interface CarriedWatcher {
  readonly gate?: FlowWatcher;
  readonly fromClient?: FlowWatcher;
  readonly fromServer: FlowWatcher;
  /** No request waits for its answer. */
  readonly isQuiet: boolean;
  onEnd(): void;
}

export interface MongoWatching {
  watch(x: Exchange, carried: MongoCarried, control: CarriedControl): CarriedWatcher;
  /** Where the first message sends the connection; undefined = more must be read. */
  route(carried: MongoCarried, early: Buffer): MongoTarget | 'stay' | undefined;
}

/** What a front keeps of it. */
export interface CarriedConnection {
  /** Ends it where nothing is under way, as far as anybody can tell. */
  drain(): void;
  /** Ends it, whatever is under way. @param details why, as its line of the log says */
  cut(details: string): void;
}
