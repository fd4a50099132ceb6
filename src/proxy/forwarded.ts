/** What a proxy strips and what it adds on the way to a backend. */
import type { RequestHead } from '../model/head.ts';
import { isIp } from '../lib/cidr.ts';
import { tellClientCertificate } from './client-certificate.ts';
import type { EngineExchange } from './exchange.ts';

/** RFC 9110, 7.6.1. Upgrade and Connection stay for the driver, which knows whether it can upgrade. */
const HOP_BY_HOP = [
  'keep-alive',
  'proxy-connection',
  'trailer',
  'proxy-authenticate',
  'proxy-authorization',
];
/** What a Connection header may not name: taken out, the message would end elsewhere, or come from somebody else. */
const PROTECTED = [
  'content-length',
  'transfer-encoding',
  'host',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
];
const MAX_NAMED = 9;
const TRAILERS = /(?:^|,)\s*trailers\s*(?:;|,|$)/i;
/** An IPv4 address in IPv6 clothes, as sockets for both families show it. */
const MAPPED = /^::ffff:(?=\d+\.)/i;
const IDENTITY = 'x-lateen-identity';

/** Undefined = fine; else why the request is refused (400). */
export function stripHopByHop(head: RequestHead): string | undefined {
  const connection = head.get('connection');
  if (connection === 'keep-alive' || connection === 'close') {
    head.remove('connection');
    if (head.has('upgrade')) head.remove('upgrade');
  } else if (connection !== undefined) {
    const names = connection.split(',').map((name) => name.trim().toLowerCase());
    if (names.length > MAX_NAMED)
      return `connection names ${names.length} headers, want at most ${MAX_NAMED}`;
    for (const name of names) {
      if (PROTECTED.includes(name) || name.startsWith(':')) return `connection names ${name}`;
      if (name !== '' && name !== 'upgrade' && name !== 'close' && name !== 'keep-alive')
        head.remove(name);
    }
    if (!names.includes('upgrade') || !head.has('upgrade')) {
      head.remove('connection');
      head.remove('upgrade');
    }
  }
  if (connection === undefined && head.has('upgrade')) head.remove('upgrade');
  for (const name of HOP_BY_HOP) if (head.has(name)) head.remove(name);
  // gRPC backends ask for `te: trailers`; nothing else of it may pass.
  const te = head.get('te');
  if (te !== undefined && te !== 'trailers') {
    if (TRAILERS.test(te)) head.set('te', 'trailers');
    else head.remove('te');
  }
  return undefined;
}

/** Headers that steer a proxy come from the mesh alone. */
export function stripTrustHeaders(x: EngineExchange, atEdge: boolean): void {
  const { request } = x;
  if (request.has(IDENTITY)) request.remove(IDENTITY);
  tellClientCertificate(x);
  if (atEdge) request.removePrefix('x-envoy-');
}

/** The client address by X-Forwarded-For: with N trusted proxies in front, the N-th from the right. */
export function clientAddress(x: EngineExchange, trustedHops: number): string {
  // A sidecar stands behind the mesh's own gateways: the last entry is theirs.
  const hops = trustedHops === 0 && x.listener?.direction === 'inbound' ? 1 : trustedHops;
  if (hops === 0) return x.peer.ip;
  const entries = (x.request.get('x-forwarded-for') ?? '').split(',').map((entry) => entry.trim());
  const entry = entries[entries.length - hops];
  return entry !== undefined && isIp(entry) && !MAPPED.test(entry) ? entry : x.peer.ip;
}

/** Gateways append the peer and say the scheme; a sidecar passes on what it got. */
export function addForwarded(x: EngineExchange): void {
  const { request, listener } = x;
  if (listener?.direction === 'gateway') {
    const before = request.get('x-forwarded-for');
    const peer = x.peer.ip.startsWith(':') ? x.peer.ip.replace(MAPPED, '') : x.peer.ip;
    request.set('x-forwarded-for', before === undefined ? peer : `${before},${peer}`);
    request.set('x-forwarded-proto', x.scheme);
  } else if (!request.has('x-forwarded-proto')) request.set('x-forwarded-proto', x.scheme);
}
