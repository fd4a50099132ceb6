/** Where a request comes from: the connection's address, or what a proxy says that is trusted to say it. */
import { linkCidrs } from '../src/lib/cidr.ts';

const UNKNOWN = 'unknown';
const MAX_ENTRIES = 32;

/** IPv4 that comes as IPv6 is IPv4. */
const plain = (address: string): string =>
  address.toLowerCase().startsWith('::ffff:') && address.includes('.')
    ? address.slice('::ffff:'.length)
    : address;

/**
 * The nearest address that no trusted proxy has. @param trusted blocks of the proxies that add to X-Forwarded-For
 * @throws RangeError when a block can't be read
 */
export function createSourceFinder(
  trusted: readonly string[],
): (peer: string | undefined, forwarded: string | null) => string {
  const isTrusted = linkCidrs(trusted);
  return (peer = UNKNOWN, forwarded) => {
    let source = plain(peer);
    const entries = (forwarded ?? '').split(',').slice(-MAX_ENTRIES).reverse();
    for (const entry of entries) {
      if (isTrusted(source) !== true) break;
      const next = plain(entry.trim());
      // What is no address was made up in front of the last that is.
      if (isTrusted(next) === undefined) break;
      source = next;
    }
    return source;
  };
}
