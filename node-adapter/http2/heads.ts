/** Heads as HTTP/2 sends them, whichever protocol they came by. */
import { isTrailer } from '../../src/http1/index.ts';
import type { Trailers } from '../../src/http1/index.ts';
import {
  FieldHead,
  FieldKind,
  Http2ResponseHead,
  makeField,
  TAKEN,
} from '../../src/http2/index.ts';
import type { Field, FieldPairs, Sender } from '../../src/http2/index.ts';
import { sendableTarget } from '../../src/lib/sendable.ts';
import type { HeaderBlock, ResponseHead } from '../../src/model/head.ts';
import type { OutgoingRequest } from '../stream.ts';
import { ACCEPT, answerToKey, KEY } from '../websocket.ts';

const SWITCHING = 101;
const NO_TRAILERS: FieldPairs = [];
const NONE: ReadonlySet<string> = new Set();

const METHODS = new Map(['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH'].map(fieldOf));
const STATUS: readonly Field[] = Array.from({ length: 600 }, (_, status) =>
  makeField(':status', String(status)),
);
const SCHEMES = { http: makeField(':scheme', 'http'), https: makeField(':scheme', 'https') };
const TE_TRAILERS = makeField('te', 'trailers');
const CONNECT = makeField(':method', 'CONNECT');
const WEBSOCKET = makeField(':protocol', 'websocket');
const UPGRADE = [makeField('connection', 'Upgrade'), makeField('upgrade', 'websocket')];

function fieldOf(method: string): [string, Field] {
  return [method, makeField(':method', method)];
}

/** Fields that the Connection header names belong to the hop that they came by. */
function namedByConnection(head: HeaderBlock): ReadonlySet<string> {
  const options = head.get('connection')?.toLowerCase();
  if (options === undefined || options === 'keep-alive' || options === 'close') return NONE;
  return new Set(options.split(',').map((option) => option.trim()));
}

/** It speaks of the hop, or is said by a pseudo-header. */
const isOfHop = (kind: number): boolean =>
  kind === FieldKind.connection ||
  kind === FieldKind.te ||
  kind === FieldKind.host ||
  (kind >= FieldKind.method && kind <= FieldKind.unknownPseudo);

// A head of another protocol visits its fields with one function; what it needs stands here during the visit.
let target: Sender;
let named: ReadonlySet<string> = NONE;

function visit(name: string, value: string): void {
  const field = makeField(name, value);
  if (!isOfHop(field.kind) && !named.has(name)) target.field(field);
}

function writeFields(sender: Sender, head: HeaderBlock): void {
  if (head instanceof FieldHead) {
    const { fields } = head;
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as Field;
      if (field.kind === FieldKind.plain ? field !== TAKEN : !isOfHop(field.kind))
        sender.field(field);
    }
    return;
  }
  target = sender;
  named = namedByConnection(head);
  head.forEach(visit);
}

/** A block of a response's head, but for its end. */
export function writeResponseHead(sender: Sender, head: ResponseHead, status: number): void {
  sender.beginBlock();
  sender.field(STATUS[status] ?? makeField(':status', String(status)));
  writeFields(sender, head);
}

/** Fields of a connection's own requests that stay the same. */
export class RequestHeads {
  readonly #sender: Sender;
  #authority = TAKEN;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /** A block of a request's head, but for its end. */
  write(request: OutgoingRequest): void {
    const sender = this.#sender;
    const { method, scheme, authority, head } = request;
    sender.beginBlock();
    sender.field(METHODS.get(method) ?? makeField(':method', method));
    if (this.#authority.value !== authority) this.#authority = makeField(':authority', authority);
    if (method !== 'CONNECT') sender.field(SCHEMES[scheme]);
    sender.field(this.#authority);
    if (method !== 'CONNECT') sender.field(makeField(':path', sendableTarget(request.target)));
    writeFields(sender, head);
    // gRPC servers want to hear it, and it is the one thing that may be said here.
    if (head.get('te')?.toLowerCase().includes('trailers') === true) sender.field(TE_TRAILERS);
  }

  /** The block of a request that opens a WebSocket, but for its end: an extended CONNECT (RFC 8441, 5). */
  writeWebSocket({ scheme, authority, target, head }: OutgoingRequest): void {
    const sender = this.#sender;
    sender.beginBlock();
    for (const field of [CONNECT, WEBSOCKET, SCHEMES[scheme]]) sender.field(field);
    sender.field(makeField(':authority', authority));
    sender.field(makeField(':path', sendableTarget(target)));
    const named = namedByConnection(head);
    head.forEach((name, value) => {
      const field = makeField(name, value);
      // The key is an affair of HTTP/1.1.
      if (!isOfHop(field.kind) && !named.has(name) && name !== KEY) sender.field(field);
    });
  }
}

/** A WebSocket that is granted, as HTTP/1.1 would have said it. @param key the client's; undefined = it has none */
export function switchedHead(head: Http2ResponseHead, key: string | undefined): Http2ResponseHead {
  const answer = key === undefined ? [] : [makeField(ACCEPT, answerToKey(key))];
  const fields = head.fields.filter(({ name }) => name !== ACCEPT && name !== 'content-length');
  return new Http2ResponseHead(SWITCHING, -1, [...fields, ...UPGRADE, ...answer]);
}

/** Trailers of either protocol as HTTP/2 may send them. */
export function sendableTrailers(trailers: Trailers): FieldPairs {
  if (trailers.length === 0) return NO_TRAILERS;
  return trailers
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => isTrailer(name));
}

/** Trailers that came by HTTP/2, as any protocol may pass them on. */
export function receivedTrailers(trailers: FieldPairs): Trailers {
  return trailers.length === 0 ? NO_TRAILERS : trailers.filter(([name]) => isTrailer(name));
}
