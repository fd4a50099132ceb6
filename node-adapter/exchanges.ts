/** From a client's connection to relays: what every codec's connection of one front shares. */
import type { HeadFault } from '../src/http1/index.ts';
import type { LocalReply } from '../src/model/exchange.ts';
import type { Peer } from '../src/model/identity.ts';
import type { Admission } from './accept/admission.ts';
import { openBridged, speaksGrpcWeb } from './grpc/web-bridge.ts';
import type { ConnectionLimits } from './limits.ts';
import type { Plane } from './plane.ts';
import { Relay } from './relay.ts';
import type { RelayServices } from './relay-services.ts';
import { localResponse, refusal } from './replies.ts';
import type { LocalResponse, ServerContext, ServerExchange } from './server-context.ts';
import type { Deadlines } from './sockets/deadlines.ts';
import type { ReadMode } from './sockets/reading.ts';
import type { ServerStream } from './stream.ts';
import type { CarryServices } from './tcp/carry.ts';
import type { Termination } from './tls/termination.ts';

export interface ConnectionServices
  extends Omit<RelayServices, 'engine'>, Omit<CarryServices, 'onFault'> {
  readonly limits: ConnectionLimits;
  readonly deadlines: Deadlines;
  readonly mode: ReadMode;
  readonly termination: Termination;
  /** @default every connection is taken */
  readonly admission?: Admission;
  /** Whether a proxy in front says whom it stands for. @default nobody does, and what looks like it is refused */
  readonly proxyProtocol?: 'required' | 'allowed';
  isDraining(): boolean;
}

/** What is known of one connection before its first request. */
export interface ConnectionFacts {
  readonly plane: Plane;
  readonly peer: Peer;
  readonly scheme: 'http' | 'https';
  /** Listener port of a request. */
  portOf(stream: ServerStream): number;
  /** Every request is for this authority. @default what each says */
  readonly authority?: string;
  /** Takes CONNECT requests. @default they are requests like others, which nothing takes */
  tunnel?(stream: ServerStream): ServerExchange;
  onClosed(): void;
}

const UNCONFIGURED: LocalReply = {
  status: 503,
  body: 'no configuration yet',
  headers: [['content-type', 'text/plain']],
  flag: '',
  details: 'no_configuration',
};

/** Answered without an engine: nothing could decide. */
class Unconfigured implements ServerExchange {
  readonly #stream: ServerStream;
  constructor(stream: ServerStream) {
    this.#stream = stream;
  }
  start(): void {
    this.#stream.reply(UNCONFIGURED);
  }
  onRequestBody(): void {
    // Nobody reads it.
  }
  onRequestEnd(): void {
    // It was answered already.
  }
  onClientGone(): void {
    // Nothing is under way.
  }
  onClientDrain(): void {
    // All was said at once.
  }
}

export class Connection implements ServerContext {
  readonly #services: ConnectionServices;
  readonly #facts: ConnectionFacts;
  readonly #relay: RelayServices;

  constructor(services: ConnectionServices, facts: ConnectionFacts) {
    this.#services = services;
    this.#facts = facts;
    this.#relay = { ...services, engine: facts.plane.engine };
  }

  get scheme(): 'http' | 'https' {
    return this.#facts.scheme;
  }
  get limits(): ConnectionLimits {
    return this.#services.limits;
  }
  get deadlines(): Deadlines {
    return this.#services.deadlines;
  }

  get upgrades(): ReadonlySet<string> {
    return this.#services.upgrades;
  }

  open(stream: ServerStream): ServerExchange {
    const { plane, peer, authority } = this.#facts;
    const { linked } = plane;
    if (linked === undefined) return new Unconfigured(stream);
    if (stream.request.method === 'CONNECT' && this.#facts.tunnel !== undefined)
      return this.#facts.tunnel(stream);
    const port = this.#facts.portOf(stream);
    const given = { linked, head: stream.request, peer, port };
    const arrival = authority === undefined ? given : { ...given, authority };
    return linked.bridgesGrpcWeb && speaksGrpcWeb(stream.request)
      ? openBridged(this.#relay, stream, arrival)
      : Relay.open(this.#relay, stream, arrival);
  }

  isDraining(): boolean {
    return this.#services.isDraining();
  }

  localResponse(reply: LocalReply, method: string): LocalResponse {
    return localResponse(reply, method);
  }

  refusal(fault: HeadFault): string {
    return refusal(fault);
  }

  onRefused({ status, reason }: HeadFault): void {
    const client = this.#facts.peer.ip;
    const flag = reason === 'stream_idle_timeout' ? 'SI' : 'DPE';
    this.#services.host.log(
      `{"time":${Date.now()},"status":${status},"flags":"${flag}","details":"${reason}","client":"${client}"}`,
    );
  }

  onFault(error: unknown): void {
    this.#services.onFault(error);
  }

  onClosed(): void {
    this.#facts.onClosed();
  }
}
