/** Values of a request that authorization asks for. */
import { hidesDots, otherValues, plainPath } from '../../lib/readings.ts';
import type { Exchange } from '../../model/exchange.ts';
import type { Attribute } from './config.ts';

/** `undecidable` = there is a value, but it can't be read as what it should be. */
export type Values = readonly string[] | 'undecidable';

const NONE: readonly string[] = [];
const one = (value: string | undefined): readonly string[] =>
  value === undefined || value === '' ? NONE : [value];

/** `trust.domain/ns/a/sa/b` to its parts. */
function spiffe(x: Exchange): { domain: string; namespace: string; account: string } | undefined {
  const match = /^([^/]+)\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(x.peer.principal ?? '');
  return match === null
    ? undefined
    : { domain: match[1] ?? '', namespace: match[2] ?? '', account: match[3] ?? '' };
}

/** Nobody has no namespace; of an identity in another form nobody can say. */
const ofStranger = ({ peer }: Exchange): Values =>
  peer.principal === undefined || peer.principal === '' ? NONE : 'undecidable';

/** The list itself where it holds nothing else, as it nearly always does. */
function textsOf(list: readonly unknown[]): readonly string[] {
  for (const entry of list)
    if (typeof entry !== 'string')
      return list.filter((other): other is string => typeof other === 'string');
  return list as readonly string[];
}

function claimValues(x: Exchange, path: readonly string[]): readonly string[] {
  let value: unknown = x.identity?.claims;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return NONE;
    value = Object.hasOwn(value, step) ? (value as Record<string, unknown>)[step] : undefined;
  }
  if (Array.isArray(value)) return textsOf(value);
  if (typeof value !== 'string') return NONE;
  const name = path[0] ?? '';
  const splits =
    path.length === 1 &&
    (name === 'scope' ||
      name === 'permission' ||
      x.identity?.spaceDelimitedClaims.includes(name) === true);
  return splits ? value.split(' ') : [value];
}

function headerValues(x: Exchange, name: string): readonly string[] {
  switch (name) {
    case ':authority':
    case 'host':
      return one(x.authority);
    case ':method':
      return one(x.method);
    case ':path':
      return one(x.path + x.query);
    case ':scheme':
      return one(x.scheme);
    default:
      return x.request.getAll(name);
  }
}

/**
 * Readers of the attributes that have one value or none, without a list around it.
 * The empty text counts as none, as it does in a list.
 */
const SINGLE: Readonly<Partial<Record<Attribute['of'], (x: Exchange) => string>>> = {
  principal: (x) => x.peer.principal ?? '',
  presenter: (x) => x.identity?.presenter ?? '',
  method: (x) => x.method,
  path: (x) => x.path,
  sni: (x) => x.peer.tls?.sni ?? '',
};

/** Undefined = the attribute may have several values, or none that can be judged. */
export function singleReader(attribute: Attribute): ((x: Exchange) => string) | undefined {
  return SINGLE[attribute.of];
}

const OF_PEER: ReadonlySet<Attribute['of']> = new Set([
  'principal',
  'namespace',
  'serviceAccount',
  'trustDomain',
]);

export function valuesOf(x: Exchange, attribute: Attribute): Values {
  if (x.peer.isUnreadable === true && OF_PEER.has(attribute.of)) return 'undecidable';
  switch (attribute.of) {
    case 'principal':
      return one(x.peer.principal);
    case 'namespace': {
      const id = spiffe(x);
      return id === undefined ? ofStranger(x) : [id.namespace];
    }
    case 'serviceAccount': {
      const id = spiffe(x);
      return id === undefined ? ofStranger(x) : [`${id.namespace}/${id.account}`];
    }
    case 'trustDomain':
      return one(spiffe(x)?.domain ?? x.peer.principal?.split('/')[0]);
    case 'requestPrincipal':
      return x.identity === undefined || x.identity.principal === ''
        ? NONE
        : [`${x.identity.issuer}\0${x.identity.subject}`];
    case 'audience':
      return x.identity?.audiences ?? NONE;
    case 'presenter':
      return one(x.identity?.presenter);
    case 'host':
      return [x.authority];
    case 'method':
      return [x.method];
    case 'path':
      return [x.path];
    case 'sni':
      return one(x.peer.tls?.sni);
    case 'port':
      return x.listener === undefined ? NONE : [String(x.port)];
    case 'sourceIp':
      return one(x.peer.ip);
    case 'remoteIp':
      // Written as IPv6 it is no IPv4 address to one proxy and one to another.
      return x.remoteIp !== x.peer.ip && /^::ffff:.*\./i.test(x.remoteIp)
        ? 'undecidable'
        : one(x.remoteIp);
    case 'destinationIp':
      return attribute.addresses.length === 1 ? attribute.addresses : 'undecidable';
    case 'header':
      return headerValues(x, attribute.name);
    case 'claim':
      return claimValues(x, attribute.path);
    case 'unknown':
      return 'undecidable';
    default:
      return attribute satisfies never;
  }
}

const LOWER_HEX = /%(?:[0-9A-F]?[a-f]|[a-f][0-9a-fA-F])/;

/** An encoded byte is the same in either case of its digits (RFC 3986, 6.2.2.1). */
export const upperHex = (path: string): string =>
  LOWER_HEX.test(path) ? path.replaceAll(/%[0-9a-fA-F]{2}/g, (byte) => byte.toUpperCase()) : path;

/** Most paths have one reading. The last is the one without anything that backends resolve themselves. */
function otherPath({ path }: Exchange): readonly string[] | undefined {
  const hasParameters = path.includes(';');
  if (!hasParameters && !path.includes('%') && !path.includes('\\')) return undefined;
  const upper = upperHex(path);
  if (!hasParameters && !hidesDots(path)) return [upper];
  const bare = upper.replaceAll(/;[^/]*/g, '');
  return [upper, bare, plainPath(upper) ?? upper];
}

/** A path that leads elsewhere in a backend that resolves what is left in it; undefined = it leads where it says. */
export function leadsTo({ path }: Exchange): string | undefined {
  return hidesDots(path) ? plainPath(upperHex(path)) : undefined;
}

/**
 * How else a backend may read the same request, where that differs: a path without its parameters or with other digits
 * in its encodings, a host without port and final dot, repeats of a header as one value or a joined value as several.
 */
export function otherReading(x: Exchange, attribute: Attribute): readonly string[] | undefined {
  if (attribute.of === 'path') return otherPath(x);
  if (attribute.of === 'host') {
    const bare = x.host.endsWith('.') ? x.host.slice(0, -1) : x.host;
    return bare === x.authority.toLowerCase() ? undefined : [bare];
  }
  if (attribute.of !== 'header') return undefined;
  return otherValues(x.request.getAll(attribute.name), x.request.joinsRepeated);
}
