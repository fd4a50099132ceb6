/** The PROXY protocol, versions 1 and 2: whom the proxy in front stands for. Strict; what is ambiguous is a fault. */
import { isIPv4, isIPv6 } from 'node:net';
import { ByteReader } from './bytes.ts';

export interface Address {
  readonly ip: string;
  readonly port: number;
}

export interface ProxyHeader {
  readonly version: 1 | 2;
  /** Bytes that it takes; what the client sent comes behind. */
  readonly length: number;
  /** The connection is the proxy's own, or of a kind that has no addresses: those of the connection itself count. */
  readonly local: boolean;
  readonly source?: Address;
  readonly destination?: Address;
}

export interface ProxyFault {
  readonly fault: string;
}

/** Longest line of version 1, and what version 2 may carry in extensions that are skipped. */
const MAX_LINE = 107;
const MAX_BODY = 4096;

const V1 = Buffer.from('PROXY ', 'latin1');
const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_HEAD = 16;

const fault = (reason: string): ProxyFault => ({ fault: reason });

function beginsWith(bytes: Uint8Array, signature: Uint8Array): boolean | 'incomplete' {
  const common = Math.min(bytes.length, signature.length);
  for (let i = 0; i < common; i++) if (bytes[i] !== signature[i]) return false;
  return bytes.length < signature.length ? 'incomplete' : true;
}

/** `none`: the connection begins with something else. */
export function readProxyHeader(
  bytes: Uint8Array,
): ProxyHeader | ProxyFault | 'incomplete' | 'none' {
  const [first, second] = [beginsWith(bytes, V1), beginsWith(bytes, V2)];
  if (first === true) return readLine(bytes);
  if (second === true) return readBinary(bytes);
  return first === 'incomplete' || second === 'incomplete' ? 'incomplete' : 'none';
}

function readLine(bytes: Uint8Array): ProxyHeader | ProxyFault | 'incomplete' {
  const seen = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MAX_LINE));
  const end = seen.indexOf('\r\n');
  if (end < 0) return bytes.length >= MAX_LINE ? fault('the line is too long') : 'incomplete';
  const length = end + 2;
  const words = seen.toString('latin1', 0, end).split(' ');
  const [, family = ''] = words;
  if (family === 'UNKNOWN') return { version: 1, length, local: true };
  const isAddress = { TCP4: isIPv4, TCP6: isIPv6 }[family];
  const [, , from = '', to = '', fromPort = '', toPort = ''] = words;
  if (isAddress === undefined || words.length !== 6) return fault('the line is malformed');
  if (!isAddress(from) || !isAddress(to) || from.includes('%') || to.includes('%'))
    return fault('an address is malformed');
  if (!isPort(fromPort) || !isPort(toPort)) return fault('a port is malformed');
  return {
    version: 1,
    length,
    local: false,
    source: { ip: from, port: Number(fromPort) },
    destination: { ip: to, port: Number(toPort) },
  };
}

const isPort = (text: string): boolean =>
  /^(?:0|[1-9][0-9]{0,4})$/.test(text) && Number(text) <= 65_535;

const COMMAND = { local: 0, proxy: 1 } as const;
const FAMILY = { inet: 1, inet6: 2, unix: 3 } as const;
const STREAM = 1;
const UNIX_BYTES = 216;

function readBinary(bytes: Uint8Array): ProxyHeader | ProxyFault | 'incomplete' {
  const head = new ByteReader(bytes, V2.length);
  const command = head.number(1);
  if (command === undefined) return 'incomplete';
  if (command >> 4 !== 2) return fault('the version is unknown');
  const kind = command & 15;
  if (kind !== COMMAND.local && kind !== COMMAND.proxy) return fault('the command is unknown');
  const transport = head.number(1);
  const bodyLength = head.number(2);
  if (transport === undefined || bodyLength === undefined) return 'incomplete';
  if (bodyLength > MAX_BODY) return fault('the header is too long');
  const body = head.part(bodyLength);
  if (body === undefined) return 'incomplete';
  const common = { version: 2, length: V2_HEAD + bodyLength } as const;
  const family = transport >> 4;
  // Without addresses the receiver goes by the connection's own.
  if (kind === COMMAND.local || transport === 0) return { ...common, local: true };
  if ((transport & 15) !== STREAM) return fault('the transport is no stream');
  if (family === FAMILY.unix)
    return body.left < UNIX_BYTES ? fault('addresses are missing') : { ...common, local: true };
  if (family !== FAMILY.inet && family !== FAMILY.inet6) return fault('the family is unknown');
  const bytesOfIp = family === FAMILY.inet ? 4 : 16;
  const [from, to] = [body.part(bytesOfIp), body.part(bytesOfIp)];
  const [fromPort, toPort] = [body.number(2), body.number(2)];
  if (from === undefined || to === undefined || fromPort === undefined || toPort === undefined)
    return fault('addresses are missing');
  return {
    ...common,
    local: false,
    source: { ip: ipText(from.rest()), port: fromPort },
    destination: { ip: ipText(to.rest()), port: toPort },
  };
}

function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number)).toString(16),
  );
  const mapped = /^(?:0:){5}ffff$/.test(groups.slice(0, 6).join(':'));
  if (mapped) return bytes.subarray(12).join('.');
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** Sockets of both families write IPv4 addresses in IPv6's notation. */
const plainIp = (ip: string): string => (/^::ffff:[0-9.]+$/i.test(ip) ? ip.slice(7) : ip);

/** For the connection of a client, as the next hop should see it. */
export function writeProxyHeader(
  version: 1 | 2,
  source: Address | undefined,
  destination: Address | undefined,
): Buffer {
  if (source === undefined || destination === undefined) return local(version);
  const [from, to] = [plainIp(source.ip), plainIp(destination.ip)];
  const isKnown = (isIPv4(from) || isIPv6(from)) && (isIPv4(to) || isIPv6(to));
  if (!isKnown || from.includes('%') || to.includes('%')) return local(version);
  const family = isIPv4(from) && isIPv4(to) ? 4 : 6;
  const [ours, theirs] = family === 4 ? [from, to] : [inV6(from), inV6(to)];
  if (version === 1)
    return Buffer.from(
      `PROXY TCP${family} ${ours} ${theirs} ${source.port} ${destination.port}\r\n`,
      'latin1',
    );
  const addresses = Buffer.concat([ipBytes(ours), ipBytes(theirs), Buffer.alloc(4)]);
  addresses.writeUInt16BE(source.port, addresses.length - 4);
  addresses.writeUInt16BE(destination.port, addresses.length - 2);
  return binary(COMMAND.proxy, family === 4 ? 0x11 : 0x21, addresses);
}

const inV6 = (ip: string): string => (isIPv4(ip) ? `::ffff:${ip}` : ip);

function local(version: 1 | 2): Buffer {
  if (version === 1) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
  return binary(COMMAND.local, 0, Buffer.alloc(0));
}

function binary(command: number, transport: number, addresses: Buffer): Buffer {
  const head = Buffer.alloc(V2_HEAD);
  V2.copy(head);
  head[V2.length] = 0x20 | command;
  head[V2.length + 1] = transport;
  head.writeUInt16BE(addresses.length, V2.length + 2);
  return Buffer.concat([head, addresses]);
}

function ipBytes(ip: string): Buffer {
  if (isIPv4(ip)) return Buffer.from(ip.split('.').map(Number));
  // What stands between the brackets is canonical: hexadecimal groups, with one gap.
  const [head = '', tail] = new URL(`http://[${ip}]`).hostname.slice(1, -1).split('::');
  const groupsOf = (text: string | undefined): number[] =>
    text === undefined || text === ''
      ? []
      : text.split(':').map((group) => Number.parseInt(group, 16));
  const [before, after] = [groupsOf(head), groupsOf(tail)];
  const gap = Array.from({ length: 8 - before.length - after.length }, () => 0);
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...before, ...gap, ...after].entries())
    bytes.writeUInt16BE(group, 2 * index);
  return bytes;
}
