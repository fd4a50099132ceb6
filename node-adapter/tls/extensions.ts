/** Names and uses of a certificate: its extensions, as far as anything is decided by them. */
import type { Element } from './der.ts';
import { elementsOf, readElement } from './der.ts';
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

export interface Extensions {
  readonly names: SubjectNames;
  readonly isAuthority: boolean;
  /** Authorities that may stand between this one and a leaf; undefined = any number. */
  readonly maxPath: number | undefined;
  /** Undefined = for anything. */
  readonly usage: KeyUsage | undefined;
  /** Object identifiers in hex; undefined = for anything. */
  readonly purposes: readonly string[] | undefined;
  readonly constraints: NameConstraints | undefined;
}

export interface KeyUsage {
  readonly signs: boolean;
  readonly signsCertificates: boolean;
  readonly signsRevocations: boolean;
}

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  sequence: 0x30,
} as const;
const NAME_TAG = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const;
const MAX_NAMES = 1000;

/** Those that are read, by object identifier in hex. */
const KNOWN: Readonly<Record<string, string>> = {
  '551d0f': 'keyUsage',
  '551d11': 'subjectAltName',
  '551d13': 'basicConstraints',
  '551d1e': 'nameConstraints',
  '551d25': 'extendedKeyUsage',
};

const NO_NAMES: SubjectNames = { dns: [], uris: [], ips: [], emails: [] };
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Undefined = something of it can't be told for sure. @param bytes absent: there are none */
export function readExtensions(bytes: Uint8Array | undefined): Extensions | undefined {
  const values = bytes === undefined ? new Map<string, Uint8Array>() : valuesOf(bytes);
  if (values === undefined) return undefined;
  const read = <T>(
    name: string,
    how: (bytes: Uint8Array) => T | undefined,
    absent: T,
  ): T | 'fault' => {
    const value = values.get(name);
    return value === undefined ? absent : (how(value) ?? 'fault');
  };
  const names = read('subjectAltName', readNames, NO_NAMES);
  const basic = read('basicConstraints', readBasic, NO_AUTHORITY);
  const usage = read<KeyUsage | undefined>('keyUsage', readUsage, undefined);
  const purposes = read<readonly string[] | undefined>('extendedKeyUsage', readPurposes, undefined);
  const constraints = read<NameConstraints | undefined>(
    'nameConstraints',
    readConstraints,
    undefined,
  );
  if (names === 'fault' || basic === 'fault' || usage === 'fault') return undefined;
  if (purposes === 'fault' || constraints === 'fault') return undefined;
  return { names, ...basic, usage, purposes, constraints };
}

/** Of an extension that stands twice nobody knows which counts. */
function valuesOf(bytes: Uint8Array): Map<string, Uint8Array> | undefined {
  const all = listOf(bytes);
  if (all === undefined) return undefined;
  const values = new Map<string, Uint8Array>();
  for (const { content } of all) {
    const parts = elementsOf(content);
    const [id] = parts ?? [];
    const value = parts?.at(-1);
    if (id?.tag !== TAG.oid || value === undefined) return undefined;
    const name = KNOWN[hexOf(id.content)];
    if (name === undefined) continue;
    if (value.tag !== TAG.octets || values.has(name)) return undefined;
    values.set(name, value.content);
  }
  return values;
}

function listOf(bytes: Uint8Array): readonly Element[] | undefined {
  const list = readElement(bytes);
  return list?.tag === TAG.sequence ? elementsOf(list.content) : undefined;
}

type Basic = Pick<Extensions, 'isAuthority' | 'maxPath'>;
const NO_AUTHORITY: Basic = { isAuthority: false, maxPath: undefined };

function readBasic(bytes: Uint8Array): Basic | undefined {
  const parts = listOf(bytes);
  if (parts === undefined || parts.length > 2) return undefined;
  const [first, second] = parts;
  const isAuthority = first?.tag === TAG.boolean && first.content[0] !== 0;
  const length = first?.tag === TAG.integer ? first : second;
  if (length === undefined) return { isAuthority, maxPath: undefined };
  if (length.tag !== TAG.integer || length.content.length !== 1) return undefined;
  return { isAuthority, maxPath: length.content[0] };
}

function readUsage(bytes: Uint8Array): KeyUsage | undefined {
  const list = readElement(bytes);
  const [, flags = 0] = list?.content ?? [];
  if (list?.tag !== TAG.bits) return undefined;
  return {
    signs: (flags & 0x80) !== 0,
    signsCertificates: (flags & 0x04) !== 0,
    signsRevocations: (flags & 0x02) !== 0,
  };
}

const readPurposes = (bytes: Uint8Array): readonly string[] | undefined =>
  listOf(bytes)?.map(({ content }) => hexOf(content));

function readConstraints(bytes: Uint8Array): NameConstraints | undefined {
  const lists = listOf(bytes);
  if (lists === undefined) return undefined;
  const uris: (string[] | undefined)[] = [undefined, undefined];
  let hasOthers = false;
  for (const { tag, content } of lists) {
    const trees = elementsOf(content);
    if (trees === undefined || (tag !== 0xa0 && tag !== 0xa1)) return undefined;
    for (const { content: tree } of trees) {
      const base = readElement(tree);
      if (base?.tag === NAME_TAG.uri)
        (uris[tag - 0xa0] ??= []).push(Buffer.from(base.content).toString('latin1').toLowerCase());
      else hasOthers = true;
    }
  }
  return { permittedUris: uris[0], excludedUris: uris[1] ?? [], hasOthers };
}

/** Visible ASCII: names that hold anything else are nobody's. */
const VISIBLE = /^[\x21-\x7e]+$/;

function readNames(bytes: Uint8Array): SubjectNames | undefined {
  const list = readElement(bytes);
  const names = list?.tag === TAG.sequence ? elementsOf(list.content) : undefined;
  if (names === undefined || names.length > MAX_NAMES) return undefined;
  const [dns, uris, ips, emails]: [string[], string[], string[], string[]] = [[], [], [], []];
  for (const { tag, content } of names) {
    if (tag === NAME_TAG.ip) {
      const ip = ipText(content);
      if (ip !== undefined) ips.push(ip);
      continue;
    }
    const text = Buffer.from(content).toString('latin1');
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
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number)).toString(16),
  );
  return canonicalIp(groups.join(':'));
}
