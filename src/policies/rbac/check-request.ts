/** envoy.service.auth.v3.CheckRequest: the attributes of a request or a connection, as Envoy fills them. */
import { ProtoWriter } from '../../lib/protobuf.ts';
import type { Exchange } from '../../model/exchange.ts';
import type { SentBody } from './check-verdict.ts';

const MS_PER_SECOND = 1000;
const NS_PER_MS = 1_000_000;
const UNKNOWN_SIZE = -1;

const decoder = new TextDecoder();
const BEYOND_ASCII = /[^\0-\x7f]/;

/** Fields hold bytes as latin1; a text of protobuf is UTF-8, and what isn't is marked as such. */
function utf8Of(latin1: string): string {
  if (!BEYOND_ASCII.test(latin1)) return latin1;
  return decoder.decode(Uint8Array.from(latin1, (char) => char.charCodeAt(0)));
}

function writeAddress(peer: ProtoWriter, ip: string, port: number): void {
  peer.message(1, (address) =>
    address.message(1, (socket) => {
      socket.text(2, ip);
      socket.integer(3, port);
    }),
  );
}

function writePeers(attributes: ProtoWriter, { peer, port }: Exchange): void {
  attributes.message(1, (source) => {
    writeAddress(source, peer.ip, peer.port ?? 0);
    if (peer.principal !== undefined) source.text(4, `spiffe://${peer.principal}`);
  });
  attributes.message(2, (destination) =>
    writeAddress(destination, peer.destination?.ip ?? '', peer.destination?.port ?? port),
  );
  if (peer.tls !== undefined)
    attributes.message(12, (session) => session.text(1, peer.tls?.sni ?? ''));
}

/** Repeats joined as HTTP says, pseudo headers among them. */
function headersOf(x: Exchange): Map<string, string> {
  const headers = new Map([
    [':authority', x.authority],
    [':method', x.method],
    [':path', x.path + x.query],
    [':scheme', x.scheme],
  ]);
  x.request.forEach((name, value) => {
    if (name === 'host' || name.startsWith(':')) return;
    const before = headers.get(name);
    const joint = name === 'cookie' ? '; ' : ',';
    headers.set(name, before === undefined ? value : before + joint + value);
  });
  return headers;
}

function writeHttp(
  http: ProtoWriter,
  x: Exchange,
  body: SentBody | undefined,
  asBytes: boolean,
): void {
  http.text(1, x.requestId);
  http.text(2, x.method);
  const headers = headersOf(x);
  if (body !== undefined) headers.set('x-envoy-auth-partial-body', String(!body.isWhole));
  for (const [name, value] of headers) http.entry(3, name, utf8Of(value));
  http.text(4, x.path + x.query);
  http.text(5, x.authority);
  http.text(6, x.scheme);
  http.text(7, x.query.slice(1));
  const length = x.request.get('content-length');
  const unsaid = x.request.hasBody ? UNKNOWN_SIZE : 0;
  http.integer(9, length === undefined ? unsaid : Number(length));
  http.text(10, x.request.isHttp1 === true ? 'HTTP/1.1' : 'HTTP/2');
  if (body === undefined) return;
  if (asBytes) http.bytes(12, body.bytes);
  else http.text(11, decoder.decode(body.bytes));
}

function encode(write: (attributes: ProtoWriter) => void): Uint8Array {
  const writer = new ProtoWriter();
  writer.message(1, write);
  return writer.finish();
}

/** @param asBytes the body goes as `raw_body`, untouched */
export function encodeHttpCheck(
  x: Exchange,
  body: SentBody | undefined,
  asBytes: boolean,
): Uint8Array {
  return encode((attributes) => {
    writePeers(attributes, x);
    attributes.message(4, (request) => {
      request.message(1, (time) => {
        time.integer(1, Math.floor(x.startMs / MS_PER_SECOND));
        time.integer(2, (x.startMs % MS_PER_SECOND) * NS_PER_MS);
      });
      request.message(2, (http) => writeHttp(http, x, body, asBytes));
    });
  });
}

export function encodeConnectionCheck(x: Exchange): Uint8Array {
  return encode((attributes) => writePeers(attributes, x));
}
