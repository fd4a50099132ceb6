/** The frames that carry no message: each is checked, counted and acted on. RFC 9113, 6.3 to 6.9. */
import { ErrorCode, protocolFault, sizeFault } from './errors.ts';
import type { FrameHead } from './frame-reader.ts';
import { Flag, FrameType } from './frame-reader.ts';
import type { Guards } from './guards.ts';
import { readStreamId, readUint32 } from './header-block.ts';
import type { Sender } from './sender.ts';
import type { PeerSettings } from './settings.ts';
import type { Stream } from './stream.ts';

const PRIORITY_LENGTH = 5;
const PING_LENGTH = 8;
const GOAWAY_LENGTH = 8;
const WORD = 4;

/** What they act on. */
export interface ControlTarget {
  readonly sender: Sender;
  readonly peer: PeerSettings;
  readonly guards: Guards;
  streamOf(id: number): Stream | undefined;
  isIdle(id: number): boolean;
  resetFor(stream: Stream, code: number): void;
  onStreamReset(stream: Stream, code: number): void;
  onInitialWindow(difference: number): void;
  onSettings(): void;
  onSettingsAck(): void;
  onPingAck(): void;
  onGoaway(lastId: number, code: number): void;
}

export class ControlFrames {
  readonly #target: ControlTarget;

  constructor(target: ControlTarget) {
    this.#target = target;
  }

  take(frame: FrameHead, bytes: Uint8Array, start: number, end: number): void {
    switch (frame.type) {
      case FrameType.windowUpdate:
        this.#onWindowUpdate(frame, bytes, start);
        return;
      case FrameType.resetStream:
        this.#onReset(frame, bytes, start);
        return;
      case FrameType.settings:
        this.#onSettings(frame, bytes, start, end);
        return;
      case FrameType.ping:
        this.#onPing(frame, bytes, start);
        return;
      case FrameType.goaway:
        if (frame.length < GOAWAY_LENGTH) throw sizeFault('goaway_length');
        if (frame.streamId !== 0) throw protocolFault('goaway_on_stream');
        this.#target.onGoaway(readStreamId(bytes, start), readUint32(bytes, start + WORD));
        return;
      case FrameType.pushPromise:
        throw protocolFault('push_promise');
      case FrameType.priority:
        this.#onPriority(frame);
        return;
      default:
        // RFC 9113, 4.1: unknown types are ignored.
        this.#target.guards.ignored.count();
    }
  }

  #onWindowUpdate(frame: FrameHead, bytes: Uint8Array, start: number): void {
    if (frame.length !== WORD) throw sizeFault('window_update_length');
    const { streamId } = frame;
    const target = this.#target;
    target.guards.countWindowUpdate(target.sender.dataFrames);
    const more = readStreamId(bytes, start);
    if (streamId === 0) {
      if (more === 0) throw protocolFault('window_update_of_zero');
      target.sender.onWindow(more);
      return;
    }
    const stream = target.streamOf(streamId);
    if (stream === undefined) {
      if (target.isIdle(streamId)) throw protocolFault('window_update_of_idle_stream');
      return;
    }
    if (more === 0) target.resetFor(stream, ErrorCode.protocolError);
    else if (!target.sender.onStreamWindow(stream, more))
      target.resetFor(stream, ErrorCode.flowControlError);
  }

  #onReset(frame: FrameHead, bytes: Uint8Array, start: number): void {
    if (frame.length !== WORD) throw sizeFault('reset_length');
    const target = this.#target;
    const stream = target.streamOf(frame.streamId);
    if (stream !== undefined) target.onStreamReset(stream, readUint32(bytes, start));
    else if (frame.streamId === 0 || target.isIdle(frame.streamId))
      throw protocolFault('reset_of_idle_stream');
    else target.guards.ignored.count();
  }

  #onSettings(frame: FrameHead, bytes: Uint8Array, start: number, end: number): void {
    const target = this.#target;
    if (frame.streamId !== 0) throw protocolFault('settings_on_stream');
    if ((frame.flags & Flag.ack) !== 0) {
      if (frame.length > 0) throw sizeFault('settings_ack_length');
      target.onSettingsAck();
      return;
    }
    target.guards.settings.count();
    const { initialWindow } = target.peer;
    target.peer.read(bytes, start, end);
    // RFC 9113, 6.9.2: what streams may send follows, and may fall below zero.
    if (target.peer.initialWindow !== initialWindow)
      target.onInitialWindow(target.peer.initialWindow - initialWindow);
    target.onSettings();
    target.sender.settingsAck();
  }

  #onPing(frame: FrameHead, bytes: Uint8Array, start: number): void {
    if (frame.length !== PING_LENGTH) throw sizeFault('ping_length');
    if (frame.streamId !== 0) throw protocolFault('ping_on_stream');
    if ((frame.flags & Flag.ack) !== 0) {
      this.#target.onPingAck();
      return;
    }
    this.#target.guards.pings.count();
    this.#target.sender.ping(bytes, start, true);
  }

  /** Deprecated by RFC 9113, 5.3.2. */
  #onPriority(frame: FrameHead): void {
    if (frame.streamId === 0) throw protocolFault('priority_without_stream');
    if (frame.length !== PRIORITY_LENGTH) throw sizeFault('priority_length');
    this.#target.guards.ignored.count();
  }
}
