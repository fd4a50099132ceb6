/**
 * One connection, whichever side of it we are: bytes in, bytes out, and what happened to whom. No socket, no clock of
 * its own.
 */
import { BlockReader } from './block-rules.ts';
import type { FieldPairs, RequestRules } from './block-rules.ts';
import type { ByteTools } from './bytes.ts';
import { PORTABLE_BYTES } from './bytes.ts';
import { ClosedStreams } from './closed-streams.ts';
import { ControlFrames } from './control-frames.ts';
import type { ControlTarget } from './control-frames.ts';
import { ConnectionFault, ErrorCode, floodFault, protocolFault } from './errors.ts';
import type { FrameHead, FrameSink } from './frame-reader.ts';
import { Flag, FrameReader, FrameType } from './frame-reader.ts';
import { Guards } from './guards.ts';
import { HeaderBlock } from './header-block.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { DEFAULT_HTTP2_LIMITS } from './limits.ts';
import type { Http2Limits } from './limits.ts';
import { Receiver } from './receiver.ts';
import { Sender } from './sender.ts';
import { PeerSettings } from './settings.ts';
import type { ResetCause, Stream } from './stream.ts';

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export interface ConnectionOwner {
  /** `connection.sender.out` holds something; told again until onFlushed. */
  onOutput(): void;
  onStreamClosed(): void;
  /** The peer takes no streams behind this one. */
  onGoaway(code: number): void;
  /** The peer has acknowledged what we last sent in a PING. */
  onPingAck(): void;
  /** The peer's settings have changed. */
  onSettings(): void;
  /** GOAWAY is written; all streams have heard. */
  onFailed(fault: ConnectionFault): void;
}

export interface ConnectionSetup {
  readonly limits?: Http2Limits;
  readonly tools?: ByteTools;
  readonly nowMs: () => number;
  readonly usesHuffman?: boolean;
}

type BlockRules = Pick<RequestRules, 'scheme' | 'allowsConnectProtocol'>;

export abstract class Connection implements FrameSink, ControlTarget {
  readonly sender: Sender;
  readonly peer: PeerSettings;
  /** Nothing more is read or sent. */
  isFailed = false;
  /** The peer doesn't read what is sent to it. */
  protected isClogged = false;
  /** Frames but DATA and CONTINUATION that were read: where it stands still, so does what isWithinHead speaks of. */
  frames = 0;
  readonly guards: Guards;
  protected readonly limits: Http2Limits;
  protected readonly owner: ConnectionOwner;
  protected readonly streams: Map<number, Stream> = new Map();
  protected readonly blocks: BlockReader;
  protected readonly decoder: HpackDecoder;
  /** Highest stream that the peer has opened. */
  protected lastPeerId = 0;
  readonly #receiver: Receiver;
  readonly #reader: FrameReader = new FrameReader(this);
  readonly #block: HeaderBlock;
  readonly #control: ControlFrames;
  /** Ended by a reset of ours: what still comes was sent before the peer knew. */
  readonly #abandoned = new ClosedStreams();
  readonly #ended = new ClosedStreams();
  /** Whose DATA is being read; undefined = it is thrown away. */
  #dataStream: Stream | undefined;
  #hasSettings = false;
  #awaitsAck = false;

  constructor(
    owner: ConnectionOwner,
    setup: ConnectionSetup,
    isServer: boolean,
    rules: BlockRules,
  ) {
    const { limits = DEFAULT_HTTP2_LIMITS, tools = PORTABLE_BYTES, usesHuffman = false } = setup;
    this.owner = owner;
    this.limits = limits;
    this.peer = new PeerSettings(!isServer);
    const senderOwner = {
      onOutput: (): void => owner.onOutput(),
      onLocalEnd: (stream: Stream): void => this.#onLocalEnd(stream),
    };
    this.sender = new Sender(senderOwner, tools, { usesHuffman });
    this.#receiver = new Receiver(this.sender, limits);
    this.#block = new HeaderBlock(limits);
    this.decoder = new HpackDecoder(limits, tools);
    this.blocks = new BlockReader({ ...rules, cookieCrumbs: limits.cookieCrumbs });
    this.guards = new Guards(limits, setup.nowMs);
    this.#control = new ControlFrames(this);
  }

  get openStreams(): number {
    return this.streams.size;
  }

  /** The peer has said its first settings. */
  get hasSettings(): boolean {
    return this.#hasSettings;
  }

  /** Something short has begun and isn't whole: the preface, a header block, a frame but DATA. */
  get isWithinHead(): boolean {
    return this.#block.isOpen || this.#reader.isWithinShort || !this.#hasSettings;
  }

  /** Bytes that came; lent until the call returns. */
  read(bytes: Uint8Array, start: number, end: number): void {
    if (this.isFailed) return;
    try {
      this.readFrames(bytes, start, end);
    } catch (error) {
      if (!(error instanceof ConnectionFault)) throw error;
      this.fail(error);
    }
  }

  /** All that was written has been handed on. @param unsentBytes of it that wait for the peer */
  onFlushed(unsentBytes: number): void {
    this.sender.onFlushed();
    if (unsentBytes === 0) this.sender.controls = 0;
    this.isClogged = unsentBytes > this.limits.unsentBytes;
  }

  /** The connection is gone. */
  onLost(): void {
    this.#end('lost', ErrorCode.noError);
  }

  /** Gives the whole connection up and says why. */
  fail(fault: ConnectionFault): void {
    if (this.isFailed) return;
    this.sender.goaway(this.lastPeerId, fault.code);
    this.#end(fault.code === ErrorCode.noError ? 'lost' : 'protocol', fault.code);
    this.owner.onFailed(fault);
  }

  goaway(lastId: number): void {
    this.sender.goaway(lastId, ErrorCode.noError);
  }

  ping(bytes: Uint8Array): void {
    this.sender.ping(bytes, 0, false);
  }

  /** Visits all streams, of which the visitor may close any. */
  forEachStream(visit: (stream: Stream) => void): void {
    for (const stream of this.streams.values()) visit(stream);
  }

  /** Gives a stream up, which hears nothing more. */
  reset(stream: Stream, code: number): void {
    if (stream.isClosed) return;
    this.sender.reset(stream.id, code);
    this.#abandoned.add(stream.id);
    this.close(stream);
  }

  pause(stream: Stream): void {
    stream.isPaused = true;
  }

  resume(stream: Stream): void {
    stream.isPaused = false;
    this.#receiver.release(stream);
  }

  onFrame(frame: FrameHead, bytes: Uint8Array, start: number, end: number): void {
    // Given up within this very read.
    if (this.isFailed) return;
    if (this.#block.isOpen && frame.type !== FrameType.continuation)
      throw protocolFault('continuation_missing');
    if (!this.#hasSettings && (frame.type !== FrameType.settings || (frame.flags & Flag.ack) !== 0))
      throw protocolFault('settings_missing');
    if (frame.type !== FrameType.continuation) this.frames++;
    if (frame.type === FrameType.headers) this.#onHeaders(frame, bytes, start, end);
    else if (frame.type === FrameType.continuation) {
      if (this.#block.go(frame, bytes, start, end)) this.#onWholeBlock();
    } else this.#control.take(frame, bytes, start, end);
    if (this.sender.controls > this.limits.unreadControls) throw floodFault('unread_controls');
  }

  onDataStart(frame: FrameHead): void {
    this.#dataStream = undefined;
    if (this.isFailed) return;
    if (this.#block.isOpen) throw protocolFault('continuation_missing');
    if (!this.#hasSettings) throw protocolFault('settings_missing');
    const { streamId, length } = frame;
    if (streamId === 0) throw protocolFault('data_without_stream');
    this.#receiver.take(length);
    const stream = this.streams.get(streamId);
    if (stream === undefined) this.#onDataOfNone(streamId);
    else if (stream.isRemoteEnded) this.resetFor(stream, ErrorCode.streamClosed);
    else if (!this.takesData(stream)) this.resetFor(stream, ErrorCode.protocolError);
    else if (!this.#receiver.takeStream(stream, length))
      this.resetFor(stream, ErrorCode.flowControlError);
    else this.#dataStream = stream;
  }

  onData(bytes: Uint8Array, start: number, end: number): void {
    const stream = this.#dataStream;
    if (stream === undefined) return;
    stream.receivedLength += end - start;
    if (stream.declaredLength >= 0 && stream.receivedLength > stream.declaredLength) {
      this.#dataStream = undefined;
      this.resetFor(stream, ErrorCode.protocolError);
      return;
    }
    if (!stream.isClosed) stream.onBody(bytes, start, end);
  }

  onDataEnd(frame: FrameHead): void {
    if (this.isFailed) return;
    const isEnd = (frame.flags & Flag.endStream) !== 0;
    if (frame.length === 0 && !isEnd) this.guards.emptyData.count();
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    if (stream === undefined || stream.isClosed) {
      this.#receiver.drop(frame.length);
      return;
    }
    if (isEnd) stream.isRemoteEnded = true;
    this.#receiver.consume(stream, frame.length);
    if (isEnd) this.endRemote(stream, []);
  }

  streamOf(id: number): Stream | undefined {
    return this.streams.get(id);
  }

  /** RST_STREAM came. */
  onStreamReset(stream: Stream, code: number): void {
    this.close(stream);
    stream.onReset(code === ErrorCode.refusedStream ? 'refused' : 'peer', code);
  }

  onInitialWindow(difference: number): void {
    for (const stream of this.streams.values())
      if (!this.sender.onStreamWindow(stream, difference))
        throw new ConnectionFault(ErrorCode.flowControlError, 'window_too_large');
  }

  onSettings(): void {
    this.#hasSettings = true;
    this.sender.encoder.limit(this.peer.headerTableBytes);
    this.owner.onSettings();
  }

  onSettingsAck(): void {
    if (!this.#awaitsAck) throw protocolFault('settings_ack_unexpected');
    this.#awaitsAck = false;
    this.decoder.allow(this.limits.headerTableBytes);
  }

  onPingAck(): void {
    this.owner.onPingAck();
  }

  /** GOAWAY came. */
  onGoaway(lastId: number, code: number): void {
    this.goneBehind(lastId);
    this.owner.onGoaway(code);
  }

  /** Skips what comes before the frames. */
  protected readFrames(bytes: Uint8Array, start: number, end: number): void {
    this.#reader.read(bytes, start, end);
  }

  /** The first frames of ours. */
  protected begin(entries: readonly (readonly [id: number, value: number])[]): void {
    this.#awaitsAck = true;
    this.sender.settings(entries);
    this.#receiver.begin();
  }

  protected add(stream: Stream, id: number): void {
    stream.id = id;
    stream.sendWindow = this.peer.initialWindow;
    this.#receiver.open(stream);
    this.streams.set(id, stream);
  }

  /** A block that is decoded; `stream` is undefined where none of that id is open. */
  protected abstract onBlock(stream: Stream | undefined, id: number, isEnd: boolean): void;
  /** Nobody has opened it yet. */
  abstract isIdle(id: number): boolean;
  /** The peer has said that it looks at no stream of ours behind this one. */
  protected abstract goneBehind(lastId: number): void;
  protected abstract takesData(stream: Stream): boolean;

  /** Its peer broke a rule on this stream: it hears of it, and so does the peer. */
  resetFor(stream: Stream, code: number): void {
    this.guards.resets.count();
    this.reset(stream, code);
    stream.onReset('protocol', code);
  }

  /** A block of a stream that is open no more. */
  protected ignoreBlock(id: number): void {
    if (this.isLate(id)) return;
    if (this.#ended.has(id))
      throw new ConnectionFault(ErrorCode.streamClosed, 'headers_of_closed_stream');
    throw protocolFault('stream_id_unexpected');
  }

  /** What comes on it was sent before its peer knew that it had ended. */
  protected isLate(id: number): boolean {
    return this.#abandoned.has(id);
  }

  /** An id that is known from now on, though nothing was opened. */
  protected abandon(id: number): void {
    this.#abandoned.add(id);
  }

  protected readTrailers(stream: Stream, isEnd: boolean): void {
    const trailers = this.blocks.trailers(this.decoder);
    if (!isEnd || typeof trailers === 'string') this.resetFor(stream, ErrorCode.protocolError);
    else {
      stream.isRemoteEnded = true;
      this.endRemote(stream, trailers);
    }
  }

  /** The peer's side is whole. */
  protected endRemote(stream: Stream, trailers: FieldPairs): void {
    stream.isRemoteEnded = true;
    if (stream.declaredLength >= 0 && stream.receivedLength !== stream.declaredLength) {
      this.resetFor(stream, ErrorCode.protocolError);
      return;
    }
    if (stream.isLocalEnded && stream.queuedBytes === 0) this.close(stream);
    stream.onEnd(trailers);
  }

  protected close(stream: Stream): void {
    stream.isClosed = true;
    this.streams.delete(stream.id);
    this.#ended.add(stream.id);
    this.sender.forget(stream);
    this.#receiver.release(stream);
    this.owner.onStreamClosed();
  }

  /** Our side has ended while the peer's hasn't. */
  protected abstract onHalfClosed(stream: Stream): void;

  #onHeaders(frame: FrameHead, bytes: Uint8Array, start: number, end: number): void {
    if (frame.streamId === 0) throw protocolFault('headers_without_stream');
    if (this.#block.begin(frame, bytes, start, end)) this.#onWholeBlock();
  }

  #onWholeBlock(): void {
    const block = this.#block;
    // Whatever becomes of it, the tables of both sides must stay the same.
    this.decoder.decode(block.bytes, block.start, block.end);
    const { streamId, isEndStream } = block;
    const stream = this.streams.get(streamId);
    if (stream !== undefined && stream.isRemoteEnded) this.resetFor(stream, ErrorCode.streamClosed);
    else this.onBlock(stream, streamId, isEndStream);
  }

  #onDataOfNone(id: number): void {
    if (this.isIdle(id)) throw protocolFault('data_of_idle_stream');
    if (this.isLate(id)) return;
    this.guards.resets.count();
    this.sender.reset(id, ErrorCode.streamClosed);
    this.#abandoned.add(id);
  }

  #onLocalEnd(stream: Stream): void {
    if (stream.isClosed) return;
    if (stream.isRemoteEnded) this.close(stream);
    else this.onHalfClosed(stream);
  }

  #end(cause: ResetCause, code: number): void {
    this.isFailed = true;
    const streams = [...this.streams.values()];
    this.streams.clear();
    for (const stream of streams) {
      stream.isClosed = true;
      this.sender.forget(stream);
    }
    for (const stream of streams) stream.onReset(cause, code);
  }
}
