/** Copies of a request beside the first attempt: sent and forgotten. */
import { IDENTITY_HEADER, PROOF_HEADER } from '../src/credential/names.ts';
import { NO_TRAILERS } from '../src/http1/index.ts';
import { RequestHeaderList } from '../src/lib/header-list.ts';
import type { Peer } from '../src/model/identity.ts';
import type { MirrorTarget } from '../src/proxy/index.ts';
import type { Waiter } from './pool/pool.ts';
import type { Upstreams } from './pool/upstreams.ts';
import type { ClientStream, ClientStreamEvents, OutgoingRequest } from './stream.ts';

interface Mirrored {
  readonly target: MirrorTarget;
  readonly request: OutgoingRequest;
  readonly client: Peer;
  /** Undefined: there is none. */
  readonly body: readonly Buffer[] | undefined;
  readonly upstreams: Upstreams;
}

export const NO_MIRRORS: readonly MirrorTarget[] = [];

/** A mirror that answers late must not keep its connection for ever. */
const TIMEOUT_MS = 15_000;

class Mirror implements Waiter, ClientStreamEvents {
  readonly #request: OutgoingRequest;
  readonly #body: readonly Buffer[] | undefined;
  #stream: ClientStream | undefined;
  #isOver = false;
  readonly #timer: NodeJS.Timeout;

  constructor({ request, target, body }: Mirrored) {
    const { method, scheme, authority, head } = request;
    const copy = new RequestHeaderList({ method, scheme, authority, target: request.target }, []);
    // The request's own head is edited on when its attempt is repeated.
    head.forEach((name, value) => copy.add(name, value));
    copy.remove('host');
    // Shown to another one.
    copy.remove(IDENTITY_HEADER);
    copy.remove(PROOF_HEADER);
    if (body === undefined) copy.remove('transfer-encoding');
    this.#request = {
      head: copy,
      method,
      scheme: target.scheme,
      authority,
      target: request.target,
    };
    this.#body = body;
    this.#timer = setTimeout(() => this.#end(), TIMEOUT_MS);
    this.#timer.unref();
  }

  onStream(stream: ClientStream): void {
    if (this.#isOver) {
      stream.abort();
      return;
    }
    this.#stream = stream;
    stream.begin(this);
    stream.send(this.#request, this.#body === undefined);
    if (this.#body === undefined) return;
    for (const piece of this.#body) stream.write(piece, 0, piece.length);
    stream.end(NO_TRAILERS);
  }

  onNoStream(): void {
    clearTimeout(this.#timer);
  }
  onInform(): void {
    // Nobody waits for it.
  }
  onResponse(_head: unknown, isEnd: boolean): void {
    if (isEnd) this.#done();
  }
  onResponseBody(): void {
    // Nobody reads it.
  }
  onResponseEnd(): void {
    this.#done();
  }
  onUpstreamFailure(): void {
    this.#done();
  }
  onUpstreamDrain(): void {
    // All was written at once.
  }
  onSwitched(): void {
    this.#end();
  }

  #done(): void {
    this.#isOver = true;
    this.#stream = undefined;
    clearTimeout(this.#timer);
  }

  #end(): void {
    this.#stream?.abort();
    this.#done();
  }
}

export function sendMirror(mirrored: Mirrored): void {
  const { target, upstreams, request, client } = mirrored;
  const mirror = new Mirror(mirrored);
  const stream = upstreams.acquireFor(
    { cluster: target.cluster, endpoint: target.endpoint, authority: request.authority, client },
    mirror,
    request.head,
  );
  if (stream !== undefined) mirror.onStream(stream);
}
