/** Requests of the proxy's own, as to an external authorizer: over the pools that carry clients' requests. */
import { NO_TRAILERS } from '../src/http1/index.ts';
import type { Call, CallAnswer } from '../src/host/host.ts';
import { RequestHeaderList } from '../src/lib/header-list.ts';
import type { ResponseHead } from '../src/model/head.ts';
import type { Cluster } from '../src/model/snapshot.ts';
import type { Waiter } from './pool/pool.ts';
import type { Upstreams } from './pool/upstreams.ts';
import { enterTurn, leaveTurn } from './sockets/turn.ts';
import type { ClientStream, ClientStreamEvents, OutgoingRequest } from './stream.ts';

interface CallOutcome {
  readonly resolve: (answer: CallAnswer) => void;
  readonly reject: (error: Error) => void;
}

class OwnCall implements Waiter, ClientStreamEvents {
  readonly #call: Call;
  readonly #outcome: CallOutcome;
  #stream: ClientStream | undefined;
  #head: ResponseHead | undefined;
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
  onResponseEnd(): void {
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
    });
  }
}

/** Of a call that names an endpoint or nothing: what carries it is known by its address alone. */
const namelessCluster = ({ scheme, endpoint, authority }: Call): Cluster => ({
  name: `call ${scheme}`,
  service: authority,
  port: endpoint?.port ?? 0,
  discovery: 'endpoints',
  balancer: 'RANDOM',
  connectTimeoutMs: 10_000,
  ...(scheme === 'https' ? { tls: { mode: 'SIMPLE' } } : {}),
  origin: { resource: 'mesh', path: 'calls' },
});

const ofSnapshot = new WeakMap<Cluster, Cluster>();

/** Calls have connections of their own, which speak HTTP/1.1, and TLS as those of requests do. */
function clusterOf(call: Call): Cluster {
  const { cluster } = call;
  if (cluster?.tls === undefined) return namelessCluster(call);
  let own = ofSnapshot.get(cluster);
  if (own === undefined) {
    const { service, subset, port, discovery, balancer, tls, connectTimeoutMs, origin } = cluster;
    own = {
      name: `call ${cluster.name}`,
      service,
      ...(subset === undefined ? {} : { subset }),
      port,
      discovery,
      balancer,
      tls,
      connectTimeoutMs,
      origin,
    };
    ofSnapshot.set(cluster, own);
  }
  return own;
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
        const target = {
          cluster: clusterOf(call),
          endpoint: call.endpoint,
          authority: call.authority,
        };
        const stream = upstreams().acquireFor(target, own);
        if (stream !== undefined) own.onStream(stream);
      } finally {
        leaveTurn();
      }
    });
}
