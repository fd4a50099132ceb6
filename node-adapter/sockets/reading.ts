/**
 * Reading without an allocation for each read: all sockets fill one shared buffer (`onread`). It is documented for
 * sockets that connect. An accepted one is wrapped anew around its handle, and one that speaks TLS is pointed at the
 * buffer by its own fields: both are undocumented, so each is tried once at start, and `data` events do where it fails.
 */
import { Socket, createServer } from 'node:net';
import type { AddressInfo, SocketConstructorOpts } from 'node:net';
import type { TLSSocket } from 'node:tls';

export interface BytesReader {
  /** Lent until the call returns. */
  onBytes(bytes: Buffer, length: number): void;
}

export type ReadMode = 'onread' | 'data';

const BUFFER_BYTES = 65_536;
const shared = Buffer.allocUnsafeSlow(BUFFER_BYTES);

interface OnRead {
  readonly buffer: Buffer;
  readonly callback: (length: number, bytes: Uint8Array) => boolean;
}

interface Handle {
  useUserBuffer?(buffer: Buffer): void;
}

type WithHandle = Socket & { _handle: Handle | null };

const onReadOf = (reader: BytesReader): OnRead => ({
  buffer: shared,
  callback(length, bytes) {
    reader.onBytes(bytes as Buffer, length);
    return true;
  },
});

/** Options of net.connect and tls.connect under which the socket tells `reader` what it reads. */
export function readingOptions(reader: BytesReader, mode: ReadMode): { onread?: OnRead } {
  return mode === 'onread' ? { onread: onReadOf(reader) } : {};
}

/** For a socket that was made with `readingOptions`. */
export function startReading(socket: Socket, reader: BytesReader, mode: ReadMode): void {
  if (mode === 'data') socket.on('data', (chunk: Buffer) => reader.onBytes(chunk, chunk.length));
  socket.resume();
}

/** Reads an accepted socket; the one to go on with is returned. Nothing may have been read or written before. */
export function readAccepted(accepted: Socket, reader: BytesReader, mode: ReadMode): Socket {
  const from = accepted as WithHandle;
  const handle = from._handle;
  if (mode === 'data' || handle === null) {
    startReading(accepted, reader, 'data');
    return accepted;
  }
  from._handle = null;
  const options = { handle, allowHalfOpen: true, onread: onReadOf(reader) };
  const socket = new Socket(options as unknown as SocketConstructorOpts);
  socket.setNoDelay(true);
  socket.resume();
  return socket;
}

/** Fields by which a stream finds its own buffer; undefined = this Node has none under these names. */
function bufferFields(): { readonly buffer: symbol; readonly callback: symbol } | undefined {
  const probe = new Socket({ onread: { buffer: shared, callback: () => true } });
  const symbols = Object.getOwnPropertySymbols(probe);
  probe.destroy();
  const buffer = symbols.find(({ description }) => description === 'kBuffer');
  const callback = symbols.find(({ description }) => description === 'kBufferCb');
  return buffer === undefined || callback === undefined ? undefined : { buffer, callback };
}

const fields = bufferFields();

/**
 * A socket that nobody reads tells `reader` from now on; it must be resumed, or read, to go on. False: it can't be had
 * so, and nothing has changed. Not for one that picks its buffers: Node would go on asking for them.
 */
export function divert(socket: Socket, reader: BytesReader, mode: ReadMode): boolean {
  const handle = (socket as unknown as WithHandle)._handle;
  if (mode === 'data' || fields === undefined || handle?.useUserBuffer === undefined) return false;
  const { callback } = onReadOf(reader);
  const own = socket as unknown as Record<symbol, unknown>;
  own[fields.buffer] = shared;
  own[fields.callback] = callback;
  handle.useUserBuffer(shared);
  return true;
}

/** Reads a TLS socket whose handshake is done. */
export function readSecured(socket: TLSSocket, reader: BytesReader, mode: ReadMode): void {
  if (!divert(socket, reader, mode)) {
    startReading(socket, reader, 'data');
    return;
  }
  // What came with the end of the handshake was read already, and is told like all that comes by no shared buffer.
  if (socket.readableLength > 0)
    socket.on('data', (chunk: Buffer) => reader.onBytes(chunk, chunk.length));
  socket.resume();
}

let probed: Promise<ReadMode> | undefined;

/** Whether wrapping an accepted socket works in this runtime: one connection to ourselves, once. */
export function probeReadMode(): Promise<ReadMode> {
  probed ??= probe().catch((): ReadMode => 'data');
  return probed;
}

async function probe(): Promise<ReadMode> {
  const server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const answered = new Promise<ReadMode>((resolve, reject) => {
    const timer = setTimeout(() => resolve('data'), 1000);
    server.on('connection', (accepted) => {
      const socket = readAccepted(
        accepted,
        {
          onBytes(bytes, length) {
            clearTimeout(timer);
            resolve(bytes.latin1Slice(0, length) === 'probe' ? 'onread' : 'data');
            socket.destroy();
          },
        },
        'onread',
      );
      socket.on('error', reject);
    });
  });
  const client = new Socket();
  client.on('error', () => undefined);
  client.connect(port, '127.0.0.1', () => client.write('probe'));
  try {
    return await answered;
  } finally {
    client.destroy();
    server.close();
  }
}
