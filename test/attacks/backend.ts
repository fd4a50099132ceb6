/** A backend that records bytes, frames them to the letter, and answers each request with what it asked for. */
import type { Socket } from 'node:net';
import { referenceStream } from '../fixtures/reference-parser.ts';
import { startBackend } from '../fixtures/node-proxy.ts';
import type { TestBackend } from '../fixtures/node-proxy.ts';

/** What a backend does with one request: pieces written one after the other, then perhaps an end. */
export interface Misbehaviour {
  readonly pieces: readonly string[];
  readonly ends?: 'end' | 'destroy';
  /** As soon as the request's head is there, whatever becomes of its body. */
  readonly early?: boolean;
}

export interface Recorder {
  readonly port: number;
  readonly backend: TestBackend;
  /** Bytes since the last call, by connection that had some, without the lines that the proxy adds. */
  taken(): string[];
  /** What the next call will return, as one. */
  seen(): string;
  /** Targets of whole requests since the last call. */
  targets(): string[];
  close(): void;
}

const ADDED =
  /^(?:x-forwarded-for|x-forwarded-proto|x-request-id|traceparent|x-envoy-[-a-z]+): .*\r\n/gim;

/** What an honest answer to a target looks like. */
export const answerTo = (target: string): string =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`;

async function misbehave(socket: Socket, { pieces, ends }: Misbehaviour): Promise<void> {
  for (const piece of pieces) {
    socket.write(piece, 'latin1');
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  if (ends === 'end') socket.end();
  else if (ends === 'destroy') socket.destroy();
}

interface Seen {
  answered: number;
  taken: number;
}

/** `misbehaviours`: by target; others are answered honestly. */
export async function startRecorder(
  misbehaviours: ReadonlyMap<string, Misbehaviour> = new Map(),
): Promise<Recorder> {
  const seen = new Map<Socket, Seen>();
  let targets: string[] = [];
  const answer = (socket: Socket, method: string, target: string): void => {
    const misbehaviour = misbehaviours.get(target);
    if (misbehaviour !== undefined) void misbehave(socket, misbehaviour);
    else if (method === 'HEAD') socket.write(answerTo(target).replace(/\r\n\r\n.*$/, '\r\n\r\n'));
    else socket.write(answerTo(target), 'latin1');
  };
  const backend = await startBackend((socket, received) => {
    const state = seen.get(socket) ?? { answered: 0, taken: 0 };
    seen.set(socket, state);
    const { messages, head } = referenceStream(received);
    for (const { start } of messages.slice(state.answered)) {
      const [method = '', target = ''] = start;
      state.answered++;
      targets.push(target);
      answer(socket, method, target);
    }
    const [method = '', target = ''] = head?.start ?? [];
    if (misbehaviours.get(target)?.early === true && state.answered === messages.length) {
      answer(socket, method, target);
      targets.push(target);
      state.answered++;
    }
  });
  const fresh = (isTaken: boolean): string[] => {
    const out: string[] = [];
    for (const [index, socket] of backend.sockets.entries()) {
      const state = seen.get(socket);
      const received = backend.received[index] ?? '';
      if (state === undefined || received.length === state.taken) continue;
      out.push(received.slice(state.taken).replaceAll(ADDED, ''));
      if (isTaken) state.taken = received.length;
    }
    return out;
  };
  return {
    port: backend.port,
    backend,
    taken: () => fresh(true),
    seen: () => fresh(false).join(''),
    targets() {
      const out = targets;
      targets = [];
      return out;
    },
    close: () => backend.close(),
  };
}
