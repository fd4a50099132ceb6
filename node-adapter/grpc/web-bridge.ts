/**
 * gRPC-Web to gRPC: between a client's codec and a relay, the bodies of one request. Its heads are the engine's, which
 * says whether anything is bridged at all.
 */
import { Base64Decoder, FramesText, frameText, trailersFrame } from '../../src/grpc-web/index.ts';
import { NO_TRAILERS } from '../../src/http1/index.ts';
import type { Trailers } from '../../src/http1/index.ts';
import { RequestHeaderList } from '../../src/lib/header-list.ts';
import type { Exchange, LocalReply } from '../../src/model/exchange.ts';
import type { RequestHead, ResponseHead } from '../../src/model/head.ts';
import { grpcMessage } from '../../src/proxy/index.ts';
import type { Arrival } from '../../src/proxy/index.ts';
import { Relay } from '../relay.ts';
import type { RelayServices } from '../relay-services.ts';
import type { ServerExchange } from '../server-context.ts';
import type { ServerStream } from '../stream.ts';

/** Of an error's text, as much as goes into a status' message. */
const MAX_MESSAGE_BYTES = 16_384;

const INVALID_BASE64: LocalReply = {
  status: 400,
  body: 'Bad gRPC-web request, invalid base64 data.',
  headers: [['content-type', 'text/plain']],
  flag: '',
  details: 'grpc_base_64_decode_failed',
};

export function speaksGrpcWeb(head: RequestHead): boolean {
  return head.get('content-type')?.startsWith('application/grpc-web') === true;
}

/** What is sent on has another length and other framing than what came: no head as it was received will do. */
function plainHead(head: RequestHead): RequestHead {
  if (head.isHttp1 !== true) return head;
  const fields: [string, string][] = [];
  head.forEach((name, value) => {
    if (name !== 'host') fields.push([name, value]);
  });
  return new RequestHeaderList(head, fields);
}

export function openBridged(
  services: RelayServices,
  stream: ServerStream,
  arrival: Omit<Arrival, 'readBody'>,
): ServerExchange {
  const head = plainHead(arrival.head);
  const bridge = new GrpcWebBridge(stream, head);
  bridge.relay = Relay.open(services, bridge, { ...arrival, head });
  return bridge;
}

class GrpcWebBridge implements ServerStream, ServerExchange {
  relay!: Relay;
  readonly request: RequestHead;
  readonly #stream: ServerStream;
  readonly #decoder = new Base64Decoder();
  #text: FramesText | undefined;
  /** A head whose body becomes a part of it. */
  #error: { readonly head: ResponseHead; readonly pieces: Buffer[]; bytes: number } | undefined;
  #isRefused = false;

  constructor(stream: ServerStream, request: RequestHead) {
    this.#stream = stream;
    this.request = request;
  }

  start(hasBody: boolean): void {
    this.relay.start(hasBody);
  }

  onRequestBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isRefused) return;
    if (this.#x.grpcWeb?.isTextRequest !== true) {
      this.relay.onRequestBody(bytes, start, end);
      return;
    }
    const decoded = this.#decoder.decode(bytes, start, end);
    if (decoded === undefined) this.#refuse();
    else if (decoded.length > 0) this.relay.onRequestBody(decoded, 0, decoded.length);
  }

  onRequestEnd(trailers: Trailers): void {
    if (this.#isRefused) return;
    if (this.#decoder.isWhole) this.relay.onRequestEnd(trailers);
    else this.#refuse();
  }

  onClientGone(): void {
    this.relay.onClientGone();
  }

  onClientDrain(): void {
    this.relay.onClientDrain();
  }

  get isFull(): boolean {
    return this.#stream.isFull;
  }

  inform(head: ResponseHead): void {
    this.#stream.inform(head);
  }

  respond(head: ResponseHead, isEnd: boolean): void {
    if (this.#isBridged && !isEnd) {
      if (head.has('grpc-status')) {
        this.#error = { head, pieces: [], bytes: 0 };
        return;
      }
      if (this.#x.grpcWeb?.isTextResponse === true) this.#text = new FramesText();
    }
    this.#stream.respond(head, isEnd);
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    if (this.#error !== undefined) {
      const stop = Math.min(end, start + MAX_MESSAGE_BYTES - this.#error.bytes);
      this.#error.pieces.push(Buffer.from(bytes.subarray(start, stop)));
      this.#error.bytes += stop - start;
    } else if (this.#text === undefined) this.#stream.write(bytes, start, end);
    else this.#writeAll(this.#text.encode(bytes, start, end));
  }

  end(trailers: Trailers): void {
    if (this.#error !== undefined) {
      this.#endError(this.#error);
      return;
    }
    if (!this.#isBridged) {
      this.#stream.end(trailers);
      return;
    }
    if (this.#text !== undefined) this.#writeAll(this.#text.end());
    if (trailers.length > 0) {
      const frame = trailersFrame(trailers);
      this.#writeAll(this.#text === undefined ? frame : frameText(frame));
    }
    this.#stream.end(NO_TRAILERS);
  }

  reply(local: LocalReply): void {
    this.#stream.reply(local);
  }

  abort(): void {
    this.#stream.abort();
  }

  pauseRequest(): void {
    this.#stream.pauseRequest();
  }

  resumeRequest(): void {
    this.#stream.resumeRequest();
  }

  switchProtocols(head: ResponseHead): void {
    this.#stream.switchProtocols(head);
  }

  get #x(): Exchange {
    return this.relay.exchange;
  }

  get #isBridged(): boolean {
    return this.#x.call !== undefined && this.#x.grpcWeb !== undefined;
  }

  #writeAll(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#stream.write(bytes, 0, bytes.length);
  }

  #endError({ head, pieces }: { readonly head: ResponseHead; readonly pieces: Buffer[] }): void {
    const isEncoded = head.has('content-encoding');
    if (isEncoded) head.remove('content-encoding');
    const body = isEncoded ? '' : Buffer.concat(pieces).toString();
    if (!head.has('grpc-message') && body !== '') head.set('grpc-message', grpcMessage({ body }));
    this.#stream.respond(head, true);
  }

  /** Nothing of the body may pass: as one that is larger than its bound. */
  #refuse(): void {
    this.#isRefused = true;
    this.#x.bodyLimit = { maxBytes: -1, reply: INVALID_BASE64, policy: '' };
    this.relay.onRequestBody(NOTHING, 0, 0);
  }
}

const NOTHING = new Uint8Array(0);
