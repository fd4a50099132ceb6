/** Heads as they are sent, whichever protocol they came by. */
import { RawRequestHead, RawResponseHead } from '../../src/http1/index.ts';
import type { BodyFraming, TextOf } from '../../src/http1/index.ts';
import { sendableTarget, sendableValue } from '../../src/http1/chars.ts';
import type { HeaderBlock, ResponseHead } from '../../src/model/head.ts';
import type { OutgoingRequest } from '../stream.ts';
import { reasonOf } from './reasons.ts';

const latin1Slice = Buffer.prototype.latin1Slice;

/** As src/http1 asks for it. */
export const latin1: TextOf = (bytes, start, end) => latin1Slice.call(bytes, start, end);

/** RFC 9110, 10.1.1 knows one. What a backend would make of another, or of two, nobody here can tell. */
export function isExpectationUnknown(head: RawRequestHead): boolean {
  if (!head.has('expect')) return false;
  const expected = head.get('expect')?.toLowerCase();
  return expected !== '' && expected !== '100-continue';
}

/** Whether the client waits for 100: answered here, when the filters have let the request pass and its body is wanted. */
export function takesContinue(head: RawRequestHead): boolean {
  if (!head.has('expect')) return false;
  const isAsked = head.get('expect') !== '';
  head.remove('expect');
  return isAsked && head.minorVersion === 1 && head.hasBody;
}

function fieldsOf(head: HeaderBlock): string {
  let out = '';
  head.forEach((name, value) => {
    out += `${name}: ${sendableValue(value)}\r\n`;
  });
  return out;
}

/** How a body goes out whose length nobody has declared. */
function declare(head: HeaderBlock, isEnd: boolean, wantsLength: boolean): BodyFraming {
  const length = head.get('content-length');
  if (length !== undefined) return Number(length);
  if (!isEnd) {
    head.set('transfer-encoding', 'chunked');
    return 'chunked';
  }
  if (wantsLength) head.set('content-length', '0');
  return 0;
}

export interface WrittenHead {
  readonly text: string;
  readonly framing: BodyFraming;
}

/** These say in their length that no body follows, or receivers may wait for one. */
const WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** As it was received. Whatever was made of the fields since, they say how the body goes out, in one way. */
function framingOf(head: RawRequestHead): BodyFraming {
  if (head.isChunked) {
    if (head.get('transfer-encoding') !== 'chunked') head.set('transfer-encoding', 'chunked');
    if (head.has('content-length')) head.remove('content-length');
    return 'chunked';
  }
  const length = head.contentLength;
  if (head.has('transfer-encoding')) head.remove('transfer-encoding');
  if (length < 0) {
    if (head.has('content-length')) head.remove('content-length');
    return 0;
  }
  if (Number(head.get('content-length')) !== length) head.set('content-length', String(length));
  return length;
}

/** A request for an upstream that speaks HTTP/1.1. The head is sent as often as an attempt is made. */
export function writeRequest(out: OutgoingRequest, isEnd: boolean): WrittenHead {
  const { head, method, target, authority, upgrade } = out;
  if (upgrade !== undefined) {
    head.set('connection', 'Upgrade');
    head.set('upgrade', upgrade);
  }
  if (head instanceof RawRequestHead) {
    const framing = framingOf(head);
    return { text: head.write(method, target, authority), framing };
  }
  const framing = declare(head, isEnd, WITH_BODY.has(method));
  const line = `${method} ${sendableTarget(target)} HTTP/1.1\r\nHost: ${sendableValue(authority)}\r\n`;
  return { text: `${line}${fieldsOf(head)}\r\n`, framing };
}

export interface ResponseSetting {
  /** Of the client's request. */
  readonly method: string;
  /** 0 or 1: HTTP/1.0 or HTTP/1.1. */
  readonly minorVersion: number;
  readonly isEnd: boolean;
  /** The connection ends behind this response. */
  readonly closes: boolean;
}

const bodiless = (status: number, method: string): boolean =>
  method === 'HEAD' || status === 204 || status === 304 || status < 200;

/** A client of HTTP/1.0 knows no chunks: the end of the connection ends the body. */
function framingFor(head: ResponseHead, setting: ResponseSetting): BodyFraming {
  const { method, minorVersion, isEnd } = setting;
  if (bodiless(head.status, method)) return 0;
  const length = head.get('content-length');
  if (length !== undefined) {
    if (head.has('transfer-encoding')) head.remove('transfer-encoding');
    return Number(length);
  }
  if (isEnd) {
    head.set('content-length', '0');
    return 0;
  }
  if (minorVersion === 0) {
    head.remove('transfer-encoding');
    return 'until-close';
  }
  if (!head.has('transfer-encoding')) head.set('transfer-encoding', 'chunked');
  return 'chunked';
}

/** A response for a client that speaks HTTP/1. */
export function writeResponse(head: ResponseHead, setting: ResponseSetting): WrittenHead {
  const framing = framingFor(head, setting);
  const closes = setting.closes || framing === 'until-close';
  if (closes) head.set('connection', 'close');
  else if (setting.minorVersion === 0) head.set('connection', 'keep-alive');
  if (head instanceof RawResponseHead) return { text: head.write(), framing };
  return {
    text: `HTTP/1.1 ${head.status} ${reasonOf(head.status)}\r\n${fieldsOf(head)}\r\n`,
    framing,
  };
}

const FRAMING = ['content-length', 'transfer-encoding'];

/** An interim head, or one behind which the connection is no longer HTTP. */
export function writeBare(head: ResponseHead): string {
  for (const name of FRAMING) if (head.has(name)) head.remove(name);
  if (head instanceof RawResponseHead) return head.write();
  return `HTTP/1.1 ${head.status} ${reasonOf(head.status)}\r\n${fieldsOf(head)}\r\n`;
}
