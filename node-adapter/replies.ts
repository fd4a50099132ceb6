/** What the proxy says for itself, as responses of HTTP. */
import type { HeadFault } from '../src/http1/index.ts';
import { ResponseHeaderList } from '../src/lib/header-list.ts';
import type { LocalReply } from '../src/model/exchange.ts';
import { reasonOf } from './http1/reasons.ts';
import type { LocalResponse } from './server-context.ts';

const NO_BYTES = new Uint8Array(0);
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

let writtenSecond = -1;
let written = '';

/** The date of a response; made once a second. */
export function httpDate(): string {
  const nowMs = Date.now();
  const second = Math.floor(nowMs / 1000);
  if (second !== writtenSecond) {
    writtenSecond = second;
    written = new Date(nowMs).toUTCString();
  }
  return written;
}

export function localResponse(reply: LocalReply, method: string): LocalResponse {
  const { status, body } = reply;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const head = new ResponseHeaderList(status, reply.headers);
  if (!BODILESS.has(status)) head.set('content-length', String(bytes.length));
  if (!head.has('date')) head.set('date', httpDate());
  return { head, bytes: method === 'HEAD' || BODILESS.has(status) ? NO_BYTES : bytes };
}

/** A request that can't be read is answered without a body: nobody knows who speaks. */
export function refusal({ status }: HeadFault): string {
  return `HTTP/1.1 ${status} ${reasonOf(status)}\r\nDate: ${httpDate()}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
}
