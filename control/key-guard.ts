/** Which URLs the control plane fetches for a configuration: nothing that leads inside. */
import { isIp, linkCidrs } from '../src/lib/cidr.ts';

/** What no public service has: IANA's special-purpose registries, and blocks that carry another address inside. */
const isSpecial = linkCidrs([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // ::, ::1, and IPv4 as it was once embedded. Mapped addresses (::ffff:0:0/96) are judged as what they map.
  '::/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
]);
/** Names that mean something only where they are asked: RFC 6761, RFC 6762, RFC 8375, clouds and clusters. */
const LOCAL_SUFFIXES = [
  'localhost',
  'local',
  'localdomain',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'home.arpa',
  'in-addr.arpa',
  'ip6.arpa',
  'onion',
  'svc',
];

/** An address that is no public one, or text that is no address. */
export function isPrivateAddress(address: string): boolean {
  return isSpecial(address) !== false;
}

function isLocalName(host: string): boolean {
  return !host.includes('.') || LOCAL_SUFFIXES.some((suffix) => host.endsWith(`.${suffix}`));
}

/** Lower case, without brackets and final dot, IPv4 in any spelling as four decimal parts (WHATWG URL). */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

/**
 * Undefined = may be fetched; else why not. What a name resolves to is another question.
 * @param allowPrivate private hosts, and plain http
 */
export function uriFault(uri: string, allowPrivate: boolean): string | undefined {
  let url: URL;
  try {
    url = new URL(uri);
  } catch {
    return 'it is no URL';
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return `scheme ${url.protocol} is not https`;
  if (url.username !== '' || url.password !== '') return 'it carries credentials';
  if (allowPrivate) return undefined;
  if (url.protocol !== 'https:') return 'it is not https: who is on the way could sign tokens';
  const host = hostOf(url);
  const isPrivate = isIp(host) ? isPrivateAddress(host) : isLocalName(host);
  return isPrivate ? 'its host is private' : undefined;
}
