/** What two peers tell each other of themselves. RFC 9113, 6.5. */
import { ConnectionFault, ErrorCode, protocolFault, sizeFault } from './errors.ts';

export const SettingId = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
  enableConnectProtocol: 0x8,
} as const;

const MAX_WINDOW = 0x7fff_ffff;
const MIN_FRAME = 16_384;
const MAX_FRAME = 0xff_ffff;
const ENTRY_BYTES = 6;

/** A peer's, as it has said them. */
export class PeerSettings {
  headerTableBytes = 4096;
  maxStreams: number = Number.POSITIVE_INFINITY;
  initialWindow = 65_535;
  frameBytes = 16_384;
  hasConnectProtocol = false;
  readonly #isServer: boolean;

  /** @param isServer they are a server's, which has no say in what it may push */
  constructor(isServer: boolean) {
    this.#isServer = isServer;
  }

  /** Takes a payload; throws ConnectionFault where a value can't be. */
  read(bytes: Uint8Array, start: number, end: number): void {
    if ((end - start) % ENTRY_BYTES !== 0) throw sizeFault('settings_length');
    for (let at = start; at < end; at += ENTRY_BYTES) {
      const id = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      const high = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
      const low = ((bytes[at + 4] as number) << 8) | (bytes[at + 5] as number);
      this.#take(id, high * 65_536 + low);
    }
  }

  #take(id: number, value: number): void {
    switch (id) {
      case SettingId.headerTableSize:
        this.headerTableBytes = value;
        return;
      case SettingId.enablePush:
        if (value > (this.#isServer ? 0 : 1)) throw protocolFault('setting_enable_push');
        return;
      case SettingId.maxConcurrentStreams:
        this.maxStreams = value;
        return;
      case SettingId.initialWindowSize:
        if (value > MAX_WINDOW)
          throw new ConnectionFault(ErrorCode.flowControlError, 'setting_initial_window');
        this.initialWindow = value;
        return;
      case SettingId.maxFrameSize:
        if (value < MIN_FRAME || value > MAX_FRAME) throw protocolFault('setting_frame_size');
        this.frameBytes = value;
        return;
      case SettingId.enableConnectProtocol:
        this.#takeConnectProtocol(value);
        return;
      default:
      // RFC 9113, 6.5.2: what is unknown is ignored.
    }
  }

  /** RFC 8441, 3: once said, it can't be taken back. */
  #takeConnectProtocol(value: number): void {
    if (value > 1 || (this.hasConnectProtocol && value === 0))
      throw protocolFault('setting_connect_protocol');
    this.hasConnectProtocol = value === 1;
  }
}
