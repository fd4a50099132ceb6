/** WebSockets of proxies at a Durable Object: they live on while the object sleeps, and are all that it remembers of them. */
import { CLOSE, PING, PONG, STREAM_PROTOCOL } from '../src/delivery/messages.ts';
import type { StreamHub } from './stream/hub.ts';
import type { Grant, SavedSession, StreamSocket } from './stream/socket.ts';

/** The part of the platform's WebSocket that is used. */
export interface ObjectSocket {
  send(text: string): void;
  close(code: number, reason: string): void;
  serializeAttachment(value: unknown): void;
  deserializeAttachment(): unknown;
}

/** The part of the object's state that is used. */
export interface ObjectState {
  readonly storage: { setAlarm(atMs: number): Promise<void> };
  acceptWebSocket(socket: ObjectSocket): void;
  getWebSockets(): readonly ObjectSocket[];
  setWebSocketAutoResponse(pair: unknown): void;
  getWebSocketAutoResponseTimestamp(socket: ObjectSocket): Date | null;
}

interface Platform {
  readonly WebSocketPair: new () => { readonly 0: unknown; readonly 1: ObjectSocket };
  readonly WebSocketRequestResponsePair: new (request: string, response: string) => unknown;
}

const platform = globalThis as unknown as Platform;
const LOST = 1011;
const NO_BINARY = 1003;

export class ObjectStreams {
  readonly #state: ObjectState;
  readonly #sockets = new WeakMap<ObjectSocket, StreamSocket>();
  #hub: StreamHub | undefined;

  constructor(state: ObjectState) {
    this.#state = state;
  }

  /** Those that were there before this process come along. */
  attach(hub: StreamHub): void {
    this.#hub = hub;
    this.#state.setWebSocketAutoResponse(new platform.WebSocketRequestResponsePair(PING, PONG));
    for (const socket of this.#state.getWebSockets()) {
      const saved = socket.deserializeAttachment() as SavedSession | null;
      if (saved === null) socket.close(LOST, 'nothing is known of this socket');
      else hub.restore(this.#socketOf(socket), saved);
    }
  }

  upgrade(request: Request, grant: Grant): Response {
    const { 0: client, 1: server } = new platform.WebSocketPair();
    this.#state.acceptWebSocket(server);
    this.#hub?.open(this.#socketOf(server), grant);
    const init = { status: 101, webSocket: client, headers: {} };
    const isOffered = (request.headers.get('sec-websocket-protocol') ?? '')
      .split(',')
      .some((one) => one.trim() === STREAM_PROTOCOL);
    return new Response(
      null,
      isOffered ? { ...init, headers: { 'sec-websocket-protocol': STREAM_PROTOCOL } } : init,
    );
  }

  wakeAt(atMs: number): void {
    void this.#state.storage.setAlarm(atMs);
  }

  receive(socket: ObjectSocket, message: string | ArrayBuffer): void {
    if (typeof message === 'string') this.#hub?.receive(this.#socketOf(socket), message);
    else socket.close(NO_BINARY, 'messages are text');
  }

  ended(socket: ObjectSocket): void {
    this.#hub?.ended(this.#socketOf(socket));
  }

  tick(): void {
    this.#hub?.tick();
  }

  #socketOf(socket: ObjectSocket): StreamSocket {
    const known = this.#sockets.get(socket);
    if (known !== undefined) return known;
    const made: StreamSocket = {
      send: (text) => socket.send(text),
      close: (code, reason) => socket.close(code, reason),
      buffered: () => 0,
      pingedMs: () => this.#state.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0,
      save(session) {
        try {
          socket.serializeAttachment(session);
        } catch {
          // Long names of many scopes: a socket that would be forgotten isn't kept.
          socket.close(CLOSE.tooLarge, 'too many scopes with long names for one socket');
        }
      },
    };
    this.#sockets.set(socket, made);
    return made;
  }
}
