/** The driver on Web fetch: does what the engine says, and nothing else. */
import type { Host } from '../host/host.ts';
import type { BodyStart, Exchange, Step } from '../model/exchange.ts';
import type { Peer } from '../model/identity.ts';
import type { Endpoint } from '../model/snapshot.ts';
import type { Engine, LinkedSnapshot } from '../proxy/index.ts';
import type { CredentialSource } from '../credential/holder.ts';
import type { Called } from '../credential/outgoing.ts';
import { asksForCredential, bindsBody } from '../credential/outgoing.ts';
import { attachCredential, readWhole } from './credential.ts';
import { BodyBound, RequestBody } from './request-body.ts';
import { WebRequestHead, WebResponseHead } from './web-head.ts';

/** Sends one attempt; `endpoint` is undefined where the request goes to its own authority. */
export type Dial = (endpoint: Endpoint | undefined, request: Request) => Promise<Response>;

export interface FetchDriverOptions {
  readonly engine: Engine;
  readonly host: Host;
  readonly dial: Dial;
  /** Who this proxy is, for upstreams that want to be shown. @default nobody */
  readonly credentials?: CredentialSource;
  /** Sees each exchange when it is over for the engine. */
  readonly observe?: (x: Exchange) => void;
}

export interface FetchArrival {
  readonly request: Request;
  readonly linked: LinkedSnapshot;
  readonly peer: Peer;
  /** Listener port. */
  readonly port: number;
  /** What the client asked for, where a hop before could only say it beside. */
  readonly authority?: string;
}

export interface FetchDriver {
  handle(arrival: FetchArrival): Promise<Response>;
}

/** Bodies up to this size are kept for retries and mirrors; larger ones stream and are sent once. */
const MAX_KEPT_BODY_BYTES = 65_536;
/** Statuses that a Response must not carry a body with. */
const BODILESS = new Set([101, 204, 205, 304]);
const REDIRECT_STATUS_LIMIT = 200;
const EMPTY = new ArrayBuffer(0);

type Body = ReadableStream<Uint8Array> | ArrayBuffer | null;
/** What attempts take their body from. */
type Source = Body | RequestBody;

/** undici wants it for streams; workerd ignores it. */
interface StreamingInit extends RequestInit {
  duplex?: 'half';
}

const lengthOf = ({ headers }: Request): number =>
  Number(headers.get('content-length') ?? Number.NaN);

/** A declared length was held against the limit already, and runtimes hold a body to its length. */
function boundOf(request: Request, { bodyLimit }: Exchange): BodyBound | undefined {
  return bodyLimit === undefined || request.body === null || !Number.isNaN(lengthOf(request))
    ? undefined
    : new BodyBound(bodyLimit.maxBytes);
}

/** At once, but for a small body that is read whole. */
function sourceOf(
  request: Request,
  x: Exchange,
  ahead: RequestBody | undefined,
): Source | Promise<ArrayBuffer> {
  if (request.body === null) return null;
  if (ahead !== undefined) return ahead;
  const length = lengthOf(request);
  const mayRepeat = x.route?.retry !== undefined;
  if ((mayRepeat || x.mirrors.length > 0) && length <= MAX_KEPT_BODY_BYTES)
    return request.arrayBuffer();
  // Waiting for the end of a body without length could wait for ever: it may be one half of a dialogue.
  if (mayRepeat && Number.isNaN(length))
    return new RequestBody(request.body, MAX_KEPT_BODY_BYTES, () => {
      x.isReplayable = false;
    });
  x.isReplayable = false;
  return request.body;
}

interface Target {
  readonly scheme: 'http' | 'https';
  readonly endpoint: Endpoint | undefined;
}

function targetUrl(x: Exchange, { scheme, endpoint }: Target): string {
  const authority =
    endpoint === undefined || endpoint.address.startsWith('binding:')
      ? x.upstreamAuthority
      : hostPort(endpoint);
  return `${scheme}://${authority}${x.upstreamTarget}`;
}

export function hostPort({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

interface Sent {
  readonly url: string;
  readonly body: Body;
  readonly signal: AbortSignal | undefined;
}

/**
 * Copied from the received request wherever that has what is sent: runtimes then copy its head as it stands,
 * which costs a third of a head that is made anew.
 */
function copyRequest(original: Request, method: string, { url, body, signal }: Sent): Request {
  const init: StreamingInit = { redirect: 'manual' };
  if (signal !== undefined) init.signal = signal;
  if (body === original.body) {
    const sent = new Request(url, original);
    return signal === undefined && sent.redirect === 'manual' ? sent : new Request(sent, init);
  }
  init.method = method;
  init.headers = original.headers;
  if (body !== null && method !== 'GET' && method !== 'HEAD') init.body = body;
  if (body instanceof ReadableStream) init.duplex = 'half';
  return new Request(url, init);
}

function buildRequest(x: Exchange, head: WebRequestHead, original: Request, sent: Sent): Request {
  const request = copyRequest(original, x.method, sent);
  const { headers } = request;
  head.applyTo(headers);
  // A Worker's fetch writes the URL's own host; the authority that the backend should see travels beside it.
  // Always written: what a client sent under this name must never pass for it.
  headers.set('x-forwarded-host', x.upstreamAuthority);
  return request;
}

function localResponse(x: Exchange): Response {
  const { reply } = x;
  const status = reply === undefined || reply.status < REDIRECT_STATUS_LIMIT ? 500 : reply.status;
  const headers = new Headers();
  for (const [name, value] of reply?.headers ?? []) headers.append(name, value);
  const body = BODILESS.has(status) || x.method === 'HEAD' ? null : (reply?.body ?? null);
  return new Response(body as BodyInit | null, { status, headers });
}

/** Untouched where nothing was edited. Else the body passes as it came, in the encoding that its head names. */
function deliver(head: WebResponseHead, response: Response): Response {
  if (head.editCount === 0) return response;
  // An upgrade's socket is copied with the rest of the response.
  const body = BODILESS.has(response.status) ? null : response.body;
  const delivered = new Response(body, response);
  head.applyTo(delivered.headers);
  return delivered;
}

/** A body that a policy reads into before it is forwarded; made only when one does. */
class ReadAhead {
  readonly #request: Request;
  #body: RequestBody | undefined;
  #isTooLarge = false;

  constructor(request: Request) {
    this.#request = request;
  }

  readonly readBody = (maxBytes: number): Promise<BodyStart> => {
    const body = this.#request.body as ReadableStream<Uint8Array>;
    this.#body ??= new RequestBody(body, Math.max(maxBytes, MAX_KEPT_BODY_BYTES), () => {
      this.#isTooLarge = true;
    });
    return this.#body.peek(maxBytes);
  };

  /** What was read is still to be sent; what didn't fit can be sent once. */
  bodyFor(x: Exchange): RequestBody | undefined {
    if (this.#isTooLarge) x.isReplayable = false;
    return this.#body;
  }
}

class Driver implements FetchDriver {
  readonly #options: FetchDriverOptions;

  constructor(options: FetchDriverOptions) {
    this.#options = options;
  }

  async handle(arrival: FetchArrival): Promise<Response> {
    const { engine } = this.#options;
    const { pathNormalization } = arrival.linked.named.snapshot.mesh;
    const parsesTarget = pathNormalization === 'NONE';
    const head = new WebRequestHead(arrival.request, arrival.authority, parsesTarget);
    const reading = new ReadAhead(arrival.request);
    const x = engine.begin({
      linked: arrival.linked,
      head,
      peer: arrival.peer,
      port: arrival.port,
      ...(arrival.request.body === null ? {} : { readBody: reading.readBody }),
    });
    try {
      return await this.#run(x, head, arrival.request, reading);
    } catch (error) {
      // What nobody foresaw is refused too, and says nothing of itself to the client.
      const cause = error instanceof Error ? (error.stack ?? error.message) : 'unknown';
      this.#options.host.log(
        JSON.stringify({ level: 'error', message: 'a request failed', cause }),
      );
      return new Response(null, { status: 500 });
    } finally {
      // The line is written when the head is known: waiting for the body's end would wrap every body.
      engine.onEnd(x);
      this.#options.observe?.(x);
    }
  }

  async #run(
    x: Exchange,
    head: WebRequestHead,
    request: Request,
    reading: ReadAhead,
  ): Promise<Response> {
    const { engine } = this.#options;
    let step: Step = engine.onRequest(x);
    let bound: BodyBound | undefined;
    let body: Source | undefined;
    for (;;) {
      if (step === 'wait') {
        await x.waiting;
        step = engine.resume(x);
      } else if (step === 'forward') {
        if (body === undefined) {
          bound = boundOf(request, x);
          const source = sourceOf(request, x, reading.bodyFor(x));
          body = source instanceof Promise ? await source : source;
          if (bindsBody(x)) {
            const bytes = await readWhole(body);
            const refused = this.#unbindable(x, bytes);
            if (refused !== undefined || bytes === undefined) {
              step = refused ?? 'reply';
              continue;
            }
            body = bytes;
          }
          this.#mirror(x, head, request, body);
        }
        const whole = body instanceof RequestBody ? body.open() : body;
        const sent =
          whole instanceof ReadableStream && bound !== undefined ? bound.over(whole) : whole;
        const build = (signal: AbortSignal | undefined): Request => {
          const target = { scheme: x.upstreamScheme, endpoint: x.endpoint };
          return buildRequest(x, head, request, { url: targetUrl(x, target), body: sent, signal });
        };
        const attempt = await this.#attempt(x, build, bound, body);
        if (bound?.isTooLarge === true) {
          if (typeof attempt !== 'string') await attempt.body?.cancel().catch(() => undefined);
          if (body instanceof RequestBody) await body.cancel();
          step = engine.onBodyTooLarge(x);
        } else if (typeof attempt === 'string') step = engine.onFailure(x, attempt);
        else {
          const received = new WebResponseHead(attempt);
          step = engine.onResponse(x, received);
          if (step === 'deliver') return deliver(received, attempt);
          await attempt.body?.cancel();
        }
      } else return localResponse(x);
    }
  }

  /** An edge runtime doesn't say why no response came, but our own timer is known. */
  async #attempt(
    x: Exchange,
    build: (signal: AbortSignal | undefined) => Request,
    bound: BodyBound | undefined,
    body: Source,
  ): Promise<Response | 'timeout' | 'unknown' | 'connect-failure'> {
    const isTimed = x.attemptTimeoutMs > 0;
    const abort = isTimed || bound !== undefined ? new AbortController() : undefined;
    let isOver = false;
    let isLate = false;
    if (abort !== undefined && isTimed)
      void this.#options.host.clock.sleep(x.attemptTimeoutMs).then(() => {
        if (isOver) return undefined;
        isLate = true;
        abort.abort();
        return undefined;
      });
    if (abort !== undefined) bound?.guard(abort);
    try {
      const request = build(abort?.signal);
      // Without what the upstream asks for nothing is sent.
      const proven = this.#prove(x, request, x, body);
      if (proven !== undefined && !(await proven)) return 'connect-failure';
      return await this.#options.dial(x.endpoint, request);
    } catch {
      return isLate ? 'timeout' : 'unknown';
    } finally {
      isOver = true;
    }
  }

  /** A body that was to be proven too, and is too large for that or for a policy. */
  #unbindable(x: Exchange, bytes: ArrayBuffer | null | undefined): Step | undefined {
    const { engine } = this.#options;
    const { bodyLimit } = x;
    if (bytes === undefined) {
      x.isReplayable = false;
      return engine.onFailure(x, 'overflow');
    }
    const isTooLarge = bodyLimit !== undefined && (bytes?.byteLength ?? 0) > bodyLimit.maxBytes;
    return isTooLarge ? engine.onBodyTooLarge(x) : undefined;
  }

  /** At once where nobody asks. */
  #prove(
    x: Exchange,
    request: Request,
    called: Called,
    body: Source,
  ): Promise<boolean> | undefined {
    if (!asksForCredential(x, called)) return undefined;
    const whole = body instanceof ArrayBuffer ? body : EMPTY;
    const bound = bindsBody(x) ? whole : undefined;
    return attachCredential(request, called, this.#options.credentials, bound).then(
      () => true,
      (error: unknown) => {
        const cause = error instanceof Error ? error.message : 'unknown';
        const { host } = this.#options;
        host.log(
          JSON.stringify({ level: 'error', message: 'no credential for an upstream', cause }),
        );
        return false;
      },
    );
  }

  /** Fire and forget; a body that streams can't be sent twice, so its mirrors are left out. */
  #mirror(x: Exchange, head: WebRequestHead, original: Request, body: Source): void {
    if (x.mirrors.length === 0) return;
    if (body instanceof ReadableStream || body instanceof RequestBody) return;
    for (const target of this.#options.engine.mirrorTargets(x)) {
      const sent = { url: targetUrl(x, target), body, signal: undefined };
      const copy = async (): Promise<void> => {
        const request = buildRequest(x, head, original, sent);
        if ((await this.#prove(x, request, target, body)) === false) return;
        const response = await this.#options.dial(target.endpoint, request);
        await response.body?.cancel();
      };
      this.#options.host.background(copy().catch(() => undefined));
    }
  }
}

export function createFetchDriver(options: FetchDriverOptions): FetchDriver {
  return new Driver(options);
}
