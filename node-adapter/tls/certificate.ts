/**
 * What of a certificate decides who somebody is, read from its bytes. Text that describes names can be forged by the
 * names themselves (a DNS name may hold a comma and `URI:`), so none is ever taken apart.
 */

export interface SubjectNames {
  /** Lower case. */
  readonly dns: readonly string[];
  readonly uris: readonly string[];
  /** In the notation of `canonicalIp`. */
  readonly ips: readonly string[];
  readonly emails: readonly string[];
}

export interface Certificate {
  readonly names: SubjectNames;
  /** SubjectPublicKeyInfo as it stands. */
  readonly publicKey: Uint8Array;
}

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
  readonly rest: Uint8Array;
}

const TAG = { octets: 0x04, oid: 0x06, sequence: 0x30, version: 0xa0, extensions: 0xa3 } as const;
const NAME_TAG = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const;
/** 2.5.29.17 */
const SUBJECT_ALT_NAME = '551d11';
const MAX_NAMES = 1000;

function readElement(bytes: Uint8Array): Element | undefined {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined || (tag & 31) === 31) return undefined;
  let length = first;
  let head = 2;
  if (first > 127) {
    const count = first & 127;
    if (count === 0 || count > 3 || bytes.length < 2 + count) return undefined;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[2 + i] as number);
    head += count;
  }
  const end = head + length;
  if (bytes.length < end) return undefined;
  return {
    tag,
    content: bytes.subarray(head, end),
    whole: bytes.subarray(0, end),
    rest: bytes.subarray(end),
  };
}

/** All elements side by side; undefined = the bytes are something else. */
function elementsOf(bytes: Uint8Array): readonly Element[] | undefined {
  const found: Element[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const element = readElement(rest);
    if (element === undefined) return undefined;
    found.push(element);
    ({ rest } = element);
  }
  return found;
}

/** Undefined = no certificate, or one whose names can't be told for sure. */
export function readCertificate(der: Uint8Array): Certificate | undefined {
  const outer = readElement(der);
  const signed = outer?.tag === TAG.sequence ? readElement(outer.content) : undefined;
  const parts = signed?.tag === TAG.sequence ? elementsOf(signed.content) : undefined;
  if (parts === undefined) return undefined;
  // Version, serial number, signature, issuer, validity, subject, public key, ..., extensions.
  const keyAt = parts[0]?.tag === TAG.version ? 6 : 5;
  const key = parts[keyAt];
  if (key?.tag !== TAG.sequence) return undefined;
  const extensions = parts.find(({ tag }, index) => index > keyAt && tag === TAG.extensions);
  const names = extensions === undefined ? NO_NAMES : namesOf(extensions.content);
  return names === undefined ? undefined : { names, publicKey: key.whole };
}

const NO_NAMES: SubjectNames = { dns: [], uris: [], ips: [], emails: [] };

function namesOf(extensions: Uint8Array): SubjectNames | undefined {
  const list = readElement(extensions);
  const all = list?.tag === TAG.sequence ? elementsOf(list.content) : undefined;
  if (all === undefined) return undefined;
  const found: Uint8Array[] = [];
  for (const { content } of all) {
    const parts = elementsOf(content);
    const [id] = parts ?? [];
    const value = parts?.at(-1);
    if (id?.tag !== TAG.oid || value === undefined) return undefined;
    if (Buffer.from(id.content).toString('hex') !== SUBJECT_ALT_NAME) continue;
    if (value.tag !== TAG.octets) return undefined;
    found.push(value.content);
  }
  const [first] = found;
  if (first === undefined) return NO_NAMES;
  return found.length > 1 ? undefined : readNames(first);
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
    if (!VISIBLE.test(text)) continue;
    if (tag === NAME_TAG.dns) dns.push(text.toLowerCase());
    else if (tag === NAME_TAG.uri) uris.push(text);
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

/** One notation for each address. */
export function canonicalIp(ip: string): string {
  return ip.includes(':') ? (URL.parse(`http://[${ip}]`)?.hostname.slice(1, -1) ?? ip) : ip;
}
