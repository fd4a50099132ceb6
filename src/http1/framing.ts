/** How much body follows a head: RFC 9112, 6.3. */
import type { RawRequestHead, RawResponseHead } from './raw-head.ts';

/** A length in bytes; `chunked`; `until-close`: whatever comes before the connection ends. */
export type BodyFraming = number | 'chunked' | 'until-close';

export function requestFraming(head: RawRequestHead): BodyFraming {
  if (head.isChunked) return 'chunked';
  return Math.max(0, head.contentLength);
}

const hasNoBody = (status: number, method: string): boolean =>
  method === 'HEAD' || status === 204 || status === 304 || status < 200;

/** `method` is the request's. A CONNECT that was granted is no message any more. */
export function responseFraming(head: RawResponseHead, method: string): BodyFraming {
  const { status } = head;
  if (hasNoBody(status, method)) return 0;
  if (head.isChunked) return 'chunked';
  return head.contentLength < 0 ? 'until-close' : head.contentLength;
}
