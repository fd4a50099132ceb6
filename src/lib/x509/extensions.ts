/** Names and uses of a certificate: its extensions, as far as anything is decided by them. */
import type { Element } from './der.ts';
import { DerFault, TAG, element, elements, expected, hexOf, isTrue, sequence } from './der.ts';
import { canonicalIp } from './ip.ts';

export interface SubjectNames {
  /** Lower case. */
  readonly dns: readonly string[];
  /** One that holds anything but visible ASCII is '': nobody's name, and a name all the same. */
  readonly uris: readonly string[];
  /** In the notation of `canonicalIp`. */
  readonly ips: readonly string[];
  readonly emails: readonly string[];
}

/** What an authority may certify. */
export interface NameConstraints {
  /** Hosts of URIs: exact, or `.suffix`. Undefined = any. */
  readonly permittedUris: readonly string[] | undefined;
  readonly excludedUris: readonly string[];
  /** Names of other types are constrained, too. */
  readonly hasOthers: boolean;
}

export interface KeyUsage {
  readonly signs: boolean;
  readonly signsCertificates: boolean;
  readonly signsRevocations: boolean;
}

export interface Extensions {
  readonly names: SubjectNames;
  readonly isAuthority: boolean;
  /** Authorities that may stand between this one and a leaf; undefined = any number. */
  readonly maxPath: number | undefined;
  /** Undefined = for anything. */
  readonly usage: KeyUsage | undefined;
  /** Object identifiers in hex (`PURPOSE`); undefined = for anything. */
  readonly purposes: readonly string[] | undefined;
  readonly constraints: NameConstraints | undefined;
  /** It insists on being understood, and says something that isn't read here. */
  readonly hasUnknownCritical: boolean;
}

/** Of an extended key usage. */
export const PURPOSE = {
  serverAuth: '2b06010505070301',
  clientAuth: '2b06010505070302',
  any: '551d2500',
} as const;

const NAME_TAG = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const;
const PERMITTED = 0xa0;
const EXCLUDED = 0xa1;
const MAX_NAMES = 1000;

/** By object identifier in hex. */
const EXTENSION = {
  keyUsage: '551d0f',
  altName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  extendedUsage: '551d25',
} as const;
/** Say nothing about whom a certificate is for: subject and authority key ids, CRL points, policies, authority access. */
const HARMLESS = ['551d0e', '551d23', '551d1f', '551d20', '2b06010505070101'];
const READ: ReadonlySet<string> = new Set([...Object.values(EXTENSION), ...HARMLESS]);

const NO_NAMES: SubjectNames = { dns: [], uris: [], ips: [], emails: [] };
const NO_AUTHORITY: Basics = { isAuthority: false, maxPath: undefined };

const latin1 = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
};

/** @throws DerFault when something of them can't be told for sure */
export function readExtensions(list: readonly Element[]): Extensions {
  const values = new Map<string, Uint8Array>();
  let hasUnknownCritical = false;
  for (const item of list) {
    const parts = sequence(item);
    const id = hexOf(expected(parts[0], TAG.oid).content);
    if (parts.length > 3) throw new DerFault('extension');
    if (parts.length === 3 && isTrue(parts[1]) && !READ.has(id)) hasUnknownCritical = true;
    // Of one that stands twice nobody knows which counts.
    if (values.has(id)) throw new DerFault('an extension twice');
    values.set(id, expected(parts.length === 1 ? undefined : parts.at(-1), TAG.octets).content);
  }
  const read = <T, A>(id: string, how: (bytes: Uint8Array) => T, absent: A): T | A => {
    const value = values.get(id);
    return value === undefined ? absent : how(value);
  };
  return {
    names: read(EXTENSION.altName, readNames, NO_NAMES),
    ...read(EXTENSION.basicConstraints, readBasics, NO_AUTHORITY),
    usage: read(EXTENSION.keyUsage, readUsage, undefined),
    purposes: read(EXTENSION.extendedUsage, readPurposes, undefined),
    constraints: read(EXTENSION.nameConstraints, readConstraints, undefined),
    hasUnknownCritical,
  };
}

const listIn = (bytes: Uint8Array): readonly Element[] => sequence(element(bytes, TAG.sequence));

type Basics = Pick<Extensions, 'isAuthority' | 'maxPath'>;

function readBasics(bytes: Uint8Array): Basics {
  const parts = listIn(bytes);
  const isSaid = parts[0]?.tag === TAG.boolean;
  const [length, ...more] = isSaid ? parts.slice(1) : parts;
  if (more.length > 0) throw new DerFault('basic constraints');
  const isAuthority = isSaid && isTrue(parts[0]);
  if (length === undefined) return { isAuthority, maxPath: undefined };
  const { content } = expected(length, TAG.integer);
  const [maxPath = 0] = content;
  if (content.length !== 1 || maxPath > 127) throw new DerFault('path length');
  return { isAuthority, maxPath };
}

function readUsage(bytes: Uint8Array): KeyUsage {
  // How many bits of the last byte are unused, then the bits: all that are read stand in the first byte.
  const [, flags = 0] = element(bytes, TAG.bits).content;
  return {
    signs: (flags & 0x80) !== 0,
    signsCertificates: (flags & 0x04) !== 0,
    signsRevocations: (flags & 0x02) !== 0,
  };
}

const readPurposes = (bytes: Uint8Array): readonly string[] =>
  listIn(bytes).map((purpose) => hexOf(expected(purpose, TAG.oid).content));

function readConstraints(bytes: Uint8Array): NameConstraints {
  let permittedUris: string[] | undefined;
  const excludedUris: string[] = [];
  let hasOthers = false;
  for (const { tag, content } of listIn(bytes)) {
    if (tag !== PERMITTED && tag !== EXCLUDED) throw new DerFault('name constraints');
    for (const tree of elements(content)) {
      const [base] = sequence(tree);
      if (base === undefined) throw new DerFault('name constraints');
      if (base.tag !== NAME_TAG.uri) hasOthers = true;
      else if (tag === EXCLUDED) excludedUris.push(latin1(base.content).toLowerCase());
      else (permittedUris ??= []).push(latin1(base.content).toLowerCase());
    }
  }
  return { permittedUris, excludedUris, hasOthers };
}

/** Visible ASCII: names that hold anything else are nobody's. */
const VISIBLE = /^[\x21-\x7e]+$/;

function readNames(bytes: Uint8Array): SubjectNames {
  const names = listIn(bytes);
  if (names.length > MAX_NAMES) throw new DerFault('names');
  const [dns, uris, ips, emails]: [string[], string[], string[], string[]] = [[], [], [], []];
  for (const { tag, content } of names) {
    if (tag === NAME_TAG.ip) {
      const ip = ipText(content);
      if (ip !== undefined) ips.push(ip);
      continue;
    }
    const text = latin1(content);
    if (tag === NAME_TAG.uri) uris.push(VISIBLE.test(text) ? text : '');
    else if (!VISIBLE.test(text)) continue;
    else if (tag === NAME_TAG.dns) dns.push(text.toLowerCase());
    else if (tag === NAME_TAG.email) emails.push(text);
  }
  return { dns, uris, ips, emails };
}

function ipText(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return undefined;
  return canonicalIp((hexOf(bytes).match(/.{4}/g) ?? []).join(':'));
}
