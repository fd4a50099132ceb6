/** Requests of the proxy's own, as to an external authorizer: over the pools that carry clients' requests. */
import { NO_TRAILERS } from '../src/http1/index.ts';
import type { Call, CallAnswer } from '../src/host/host.ts';
import { RequestHeaderList } from '../src/lib/header-list.ts';
import type { ResponseHead } from '../src/model/head.ts';
import type { Cluster } from '../src/model/snapshot.ts';
import type { Waiter } from './pool/pool.ts';
import type { Upstreams } from './pool/upstreams.ts';
import { enterTurn, leaveTurn } from './sockets/turn.ts';
import type { ClientStream, ClientStreamEvents, OutgoingRequest, Trailers } from './stream.ts';

interface CallOutcome {
  readonly resolve: (answer: CallAnswer) => void;
  readonly reject: (error: Error) => void;
}

class OwnCall implements Waiter, ClientStreamEvents {
  readonly #call: Call;
  readonly #outcome: CallOutcome;
  #stream: ClientStream | undefined;
  #head: ResponseHead | undefined;
  #trailers: Trailers = NO_TRAILERS;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #isOver = false;

  constructor(call: Call, outcome: CallOutcome) {
    this.#call = call;
    this.#outcome = outcome;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  onStream(stream: ClientStream): void {
    if (this.#isOver) {
      stream.abort();
      return;
    }
    const { method, scheme, authority, target, headers, body } = this.#call;
    const head = new RequestHeaderList({ method, scheme, authority, target }, headers);
    head.remove('host');
    head.remove('transfer-encoding');
    if (body === undefined) head.remove('content-length');
    else head.set('content-length', String(body.length));
    const request: OutgoingRequest = { head, method, scheme, authority, target };
    this.#stream = stream;
    stream.begin(this);
    stream.send(request, body === undefined);
    if (body === undefined) return;
    stream.write(body, 0, body.length);
    stream.end(NO_TRAILERS);
  }

  onNoStream(failure: string): void {
    this.fail(failure);
  }
  onInform(): void {
    // Only the answer counts.
  }
  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.#head = head;
    if (isEnd) this.#answer();
  }
  onResponseBody(bytes: Uint8Array, start: number, end: number): void {
    const stop = Math.min(end, start + this.#call.maxBodyBytes - this.#bytes);
    this.#chunks.push(Buffer.from(bytes.subarray(start, stop)));
    this.#bytes += stop - start;
    if (this.#bytes < this.#call.maxBodyBytes) return;
    const stream = this.#stream;
    this.#answer();
    stream?.abort();
  }
  onResponseEnd(trailers: Trailers): void {
    this.#trailers = trailers;
    this.#answer();
  }
  onUpstreamFailure(failure: string): void {
    this.fail(failure);
  }
  onUpstreamDrain(): void {
    // All was written at once.
  }
  onSwitched(): void {
    this.fail('protocol-error');
  }

  fail(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream?.abort();
    this.#outcome.reject(new Error(`no answer: ${reason}`));
  }

  #answer(): void {
    if (this.#isOver || this.#head === undefined) return;
    this.#isOver = true;
    this.#stream = undefined;
    const headers: [string, string][] = [];
    this.#head.forEach((name, value) => headers.push([name, value]));
    this.#outcome.resolve({
      status: this.#head.status,
      headers,
      body: Buffer.concat(this.#chunks),
      trailers: this.#trailers,
    });
  }
}

/** Clusters are never changed. */
const overHttp2 = new WeakMap<Cluster, Cluster>();

/** Under a name of its own: clients' requests go on over the pools of the cluster's own protocol. */
function clusterOf({ cluster, overHttp2: isWanted = false }: Call): Cluster {
  if (!isWanted || cluster.protocol === 'http2') return cluster;
  let spoken = overHttp2.get(cluster);
  if (spoken === undefined) {
    spoken = { ...cluster, name: `${cluster.name} http2`, protocol: 'http2' };
    overHttp2.set(cluster, spoken);
  }
  return spoken;
}

export function createCall(upstreams: () => Upstreams): (call: Call) => Promise<CallAnswer> {
  return (call) =>
    new Promise((resolve, reject) => {
      const own: OwnCall = new OwnCall(call, {
        resolve: (answer) => end(() => resolve(answer)),
        reject: (error) => end(() => reject(error)),
      });
      const timer = setTimeout(() => own.fail('timeout'), call.timeoutMs).unref();
      const end = (tell: () => void): void => {
        clearTimeout(timer);
        tell();
      };
      enterTurn();
      try {
        const cluster = clusterOf(call);
        // Whom the connection is for, and not whom a client asked for.
        const authority = `${cluster.service}:${cluster.port}`;
        const target = { cluster, endpoint: call.endpoint, authority };
        const stream = upstreams().acquireFor(target, own);
        if (stream !== undefined) own.onStream(stream);
      } finally {
        leaveTurn();
      }
    });
}
