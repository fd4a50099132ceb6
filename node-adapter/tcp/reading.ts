/**
 * A socket that somebody else has begun to read, or nobody yet, goes on into buffers that its reader picks for every
 * read. Node has no documented way for it: the stream is pointed at them by its own fields, and where these have other
 * names `data` events do.
 */
import { Socket } from 'node:net';
import type { ReadMode } from '../sockets/reading.ts';
import { enterTurn, leaveTurn } from '../sockets/turn.ts';
import { sharedBuffer } from './buffers.ts';

export interface PickingReader {
  /** Where the next read goes; asked after each. */
  nextBuffer(): Buffer;
  /** Lent until the call returns, unless it is the buffer that was picked: that one is the reader's own. */
  onRead(bytes: Buffer, length: number): void;
}

interface Fields {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

function findFields(): Fields | undefined {
  const probe = new Socket({ onread: { buffer: () => sharedBuffer, callback: () => true } });
  const symbols = Object.getOwnPropertySymbols(probe);
  probe.destroy();
  const find = (name: string): symbol | undefined =>
    symbols.find(({ description }) => description === name);
  const buffer = find('kBuffer');
  const callback = find('kBufferCb');
  const generator = find('kBufferGen');
  if (buffer === undefined || callback === undefined || generator === undefined) return undefined;
  return { buffer, callback, generator };
}

const fields = findFields();

interface Handle {
  useUserBuffer?(buffer: Buffer): void;
}

type Internals = Record<symbol, unknown> & { readonly _handle: Handle | null };

function inTurn(reader: PickingReader, bytes: Buffer, length: number): void {
  enterTurn();
  try {
    reader.onRead(bytes, length);
  } finally {
    leaveTurn();
  }
}

/** What the stream has read for nobody in particular; it comes before all that `readInto` tells, and is asked for before. */
export function takeHeld(socket: Socket): Buffer | undefined {
  const held: Buffer[] = [];
  // A stream may hand out piece by piece, and reads on for each: it isn't asked once it has nothing.
  while (socket.readableLength > 0) {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) break;
    held.push(chunk);
  }
  return held.length < 2 ? held[0] : Buffer.concat(held);
}

/** From now on only `reader` is told; the socket must be resumed to go on. */
export function readInto(socket: Socket, reader: PickingReader, mode: ReadMode): void {
  socket.removeAllListeners('data');
  const own = socket as unknown as Internals;
  const handle = own._handle;
  if (mode === 'data' || fields === undefined || handle?.useUserBuffer === undefined) {
    socket.on('data', (chunk: Buffer) => inTurn(reader, chunk, chunk.length));
    return;
  }
  const first = reader.nextBuffer();
  own[fields.buffer] = first;
  own[fields.callback] = (length: number, bytes: Buffer): boolean => {
    inTurn(reader, bytes, length);
    return true;
  };
  own[fields.generator] = () => reader.nextBuffer();
  handle.useUserBuffer(first);
}

/** Outside of a read: the buffer that was picked last is given up for this one. */
export function switchBuffer(socket: Socket, buffer: Buffer): boolean {
  const own = socket as unknown as Internals;
  if (fields === undefined || own._handle?.useUserBuffer === undefined) return false;
  own[fields.buffer] = buffer;
  own._handle.useUserBuffer(buffer);
  return true;
}

/** Reads until `take` says that it has enough; the socket is paused then. */
export function gather(socket: Socket, mode: ReadMode, take: (bytes: Buffer) => boolean): void {
  let isDone = false;
  const reader: PickingReader = {
    nextBuffer: () => sharedBuffer,
    onRead(bytes, length) {
      if (isDone) return;
      isDone = take(Buffer.from(bytes.subarray(0, length)));
      if (isDone) socket.pause();
    },
  };
  const held = takeHeld(socket);
  readInto(socket, reader, mode);
  if (held !== undefined) reader.onRead(held, held.length);
  if (!isDone) socket.resume();
}
