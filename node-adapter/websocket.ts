/**
 * What HTTP/1.1 has of a WebSocket's handshake and HTTP/2 hasn't (RFC 6455, 4.2.2; RFC 8441, 5): a key, and the answer
 * that only who knows the protocol gives to it.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { HeaderBlock, RequestHead } from '../src/model/head.ts';

export const KEY = 'sec-websocket-key';
export const ACCEPT = 'sec-websocket-accept';

const KEY_BYTES = 16;
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The value of Sec-WebSocket-Accept. */
export function answerToKey(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}

/** A client of HTTP/1.1 brings a key and looks at the answer itself; for any other one that is done here. */
export class Handshake {
  readonly #wanted: string;

  private constructor(wanted: string) {
    this.#wanted = wanted;
  }

  /** Puts a key into the head; undefined = the client's own stands there. */
  static begin(upgrade: string | undefined, head: RequestHead): Handshake | undefined {
    if (upgrade !== 'websocket' || head.isHttp1 === true) return undefined;
    const key = randomBytes(KEY_BYTES).toString('base64');
    head.set(KEY, key);
    return new Handshake(answerToKey(key));
  }

  /** Whether the server grants what was asked. */
  isGrantedBy(head: HeaderBlock): boolean {
    return (
      head.get('upgrade')?.toLowerCase() === 'websocket' &&
      head.get(ACCEPT)?.trim() === this.#wanted
    );
  }
}
