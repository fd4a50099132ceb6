/**
 * The SPIFFE identity of an X.509 certificate, read from its DER: text that others make of a name can be made to look
 * like two. What is cut off, encoded longer than needed or there twice is no identity.
 */
export type CertificateIdentity =
  | { readonly identity: string }
  /** Why it has none. */
  | { readonly fault: string };

interface Node {
  readonly tag: number;
  readonly content: Uint8Array;
}

const SEQUENCE = 0x30;
const OBJECT_ID = 0x06;
const OCTETS = 0x04;
const EXTENSIONS = 0xa3;
const URI_NAME = 0x86;
const BOOLEAN = 0x01;
const MAX_LENGTH = 65_536;

const SUBJECT_ALT_NAME = '551d11';
const BASIC_CONSTRAINTS = '551d13';
const EXTENDED_KEY_USAGE = '551d25';
const CLIENT_AUTH = '2b06010505070302';
const ANY_USAGE = '551d2500';

/** SPIFFE ID 2.1 to 2.4: a trust domain and a path without empty, `.` or `..` parts. */
const SPIFFE =
  /^spiffe:\/\/[a-z0-9](?:[-a-z0-9._]{0,253}[a-z0-9])?(?:\/(?!\.{1,2}(?:\/|$))[-A-Za-z0-9._]+)+$/;
const MAX_ID = 2048;

class Malformed extends Error {}

const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Length of what begins at `at`, and where its content does. */
function lengthAt(bytes: Uint8Array, at: number): readonly [length: number, start: number] {
  const first = bytes[at] ?? 0x80;
  if (first < 0x80) return [first, at + 1];
  const size = first - 0x80;
  const digits = bytes.subarray(at + 1, at + 1 + size);
  const length = digits.reduce((sum, byte) => sum * 256 + byte, 0);
  // DER has one length for each content: the shortest.
  if (size === 0 || size > 3 || digits.length < size || digits[0] === 0 || length < 0x80)
    throw new Malformed('a length that DER has not');
  return [length, at + 1 + size];
}

function nodes(bytes: Uint8Array): Node[] {
  const found: Node[] = [];
  let at = 0;
  while (at < bytes.length) {
    const [length, start] = lengthAt(bytes, at + 1);
    if (start + length > bytes.length) throw new Malformed('cut off');
    found.push({ tag: bytes[at] ?? 0, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}

function within(node: Node | undefined, tag: number): Node[] {
  if (node?.tag !== tag) throw new Malformed('no certificate');
  return nodes(node.content);
}

/** Values of extensions by their id. */
function extensionsOf(der: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const outer = nodes(der);
  if (outer.length !== 1) throw new Malformed('more than one certificate');
  const [body] = within(outer[0], SEQUENCE);
  const holder = within(body, SEQUENCE).find(({ tag }) => tag === EXTENSIONS);
  const found = new Map<string, Uint8Array>();
  if (holder === undefined) return found;
  const lists = within(holder, EXTENSIONS);
  for (const extension of within(lists[0], SEQUENCE)) {
    const parts = within(extension, SEQUENCE);
    const [id] = parts;
    const value = parts.at(-1);
    if (id?.tag !== OBJECT_ID || value?.tag !== OCTETS) throw new Malformed('no extension');
    const name = hex(id.content);
    if (found.has(name)) throw new Malformed('an extension twice');
    found.set(name, value.content);
  }
  return found;
}

function uriOf(value: Uint8Array): string {
  const outer = nodes(value);
  if (outer.length !== 1) throw new Malformed('more than one list of names');
  const uris = within(outer[0], SEQUENCE).filter(({ tag }) => tag === URI_NAME);
  const [uri] = uris;
  if (uri === undefined || uris.length > 1)
    throw new Malformed(`${uris.length} URI names, want one`);
  if (uri.content.some((byte) => byte < 0x21 || byte > 0x7e))
    throw new Malformed('a URI with bytes that none has');
  return String.fromCharCode(...uri.content.subarray(0, MAX_ID + 1));
}

const isAuthority = (value: Uint8Array): boolean =>
  within(nodes(value)[0], SEQUENCE).some(({ tag, content }) => tag === BOOLEAN && content[0] !== 0);

function mayBeClient(value: Uint8Array): boolean {
  const usages = within(nodes(value)[0], SEQUENCE).map(({ content }) => hex(content));
  return usages.includes(CLIENT_AUTH) || usages.includes(ANY_USAGE);
}

function read(der: Uint8Array): CertificateIdentity {
  const extensions = extensionsOf(der);
  const names = extensions.get(SUBJECT_ALT_NAME);
  const constraints = extensions.get(BASIC_CONSTRAINTS);
  const usage = extensions.get(EXTENDED_KEY_USAGE);
  if (constraints !== undefined && isAuthority(constraints))
    return { fault: "it is an authority's" };
  if (usage !== undefined && !mayBeClient(usage)) return { fault: 'it is of no client' };
  if (names === undefined) return { fault: 'it has no subject alternative name' };
  const identity = uriOf(names);
  return identity.length <= MAX_ID && SPIFFE.test(identity)
    ? { identity }
    : { fault: 'its URI is no SPIFFE ID of a workload' };
}

/** The one identity that a client's certificate shows; its chain and dates are for TLS to judge. */
export function certificateIdentity(der: Uint8Array): CertificateIdentity {
  if (der.length > MAX_LENGTH) return { fault: 'it is too long' };
  try {
    return read(der);
  } catch (error) {
    if (error instanceof Malformed) return { fault: error.message };
    throw error;
  }
}
