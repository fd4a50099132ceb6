/**
 * Names to addresses, kept as long as their records allow. The system's own resolver answers where the network's
 * doesn't know a name (hosts file, search domains), and is asked again soon.
 */
import { Resolver, lookup as systemLookup } from 'node:dns';
import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';

interface Known {
  readonly addresses: readonly LookupAddress[];
  readonly untilMs: number;
}

const MIN_TTL_MS = 1000;
const MAX_TTL_MS = 300_000;
const SYSTEM_TTL_MS = 5000;
const MAX_NAMES = 10_000;
/** Beyond it an answer that is out of date serves while none comes. */
const STALE_MS = 600_000;

const known = new Map<string, Known>();
const running = new Map<string, Promise<readonly LookupAddress[]>>();
const resolver = new Resolver({ timeout: 2000, tries: 2 });

const isLocal = (name: string): boolean => !name.includes('.') || name.endsWith('.localhost');

function remember(name: string, addresses: readonly LookupAddress[], ttlMs: number): void {
  const [oldest] = known.keys();
  if (known.size >= MAX_NAMES && oldest !== undefined) known.delete(oldest);
  const bounded = Math.min(MAX_TTL_MS, Math.max(MIN_TTL_MS, ttlMs));
  known.delete(name);
  known.set(name, { addresses, untilMs: Date.now() + bounded });
}

function bySystem(name: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    systemLookup(name, { all: true }, (error, addresses) => {
      if (error !== null) {
        reject(error);
        return;
      }
      remember(name, addresses, SYSTEM_TTL_MS);
      resolve(addresses);
    });
  });
}

interface TimedAddress extends LookupAddress {
  readonly ttl: number;
}

function records(name: string, family: 4 | 6): Promise<readonly TimedAddress[]> {
  return new Promise((resolve) => {
    const done = (error: Error | null, found: readonly { address: string; ttl: number }[]): void =>
      resolve(error === null ? found.map(({ address, ttl }) => ({ address, family, ttl })) : []);
    if (family === 4) resolver.resolve4(name, { ttl: true }, done);
    else resolver.resolve6(name, { ttl: true }, done);
  });
}

async function ask(name: string): Promise<readonly LookupAddress[]> {
  if (isLocal(name)) return bySystem(name);
  const [v4, v6] = await Promise.all([records(name, 4), records(name, 6)]);
  const found = [...v4, ...v6];
  if (found.length === 0) return bySystem(name);
  const ttlMs = Math.min(...found.map(({ ttl }) => ttl)) * 1000;
  const addresses = found.map(({ address, family }) => ({ address, family }));
  remember(name, addresses, ttlMs);
  return addresses;
}

function addressesOf(name: string): Promise<readonly LookupAddress[]> {
  const found = known.get(name);
  const nowMs = Date.now();
  if (found !== undefined && nowMs < found.untilMs) return Promise.resolve(found.addresses);
  let asked = running.get(name);
  if (asked === undefined) {
    asked = ask(name).finally(() => running.delete(name));
    running.set(name, asked);
  }
  return asked.catch((error: unknown) => {
    if (found !== undefined && nowMs < found.untilMs + STALE_MS) return found.addresses;
    throw error;
  });
}

/** For the `lookup` option of sockets: both families where both are wanted, so that the faster one is taken. */
export const lookup: LookupFunction = (name, options, callback) => {
  const family = isIP(name);
  const wanted = options.family === 4 || options.family === 6 ? options.family : 0;
  const answer = (addresses: readonly LookupAddress[]): void => {
    const fitting = addresses.filter((one) => wanted === 0 || one.family === wanted);
    const [first] = fitting;
    if (first === undefined) callback(new Error(`${name} has no address`), []);
    else if (options.all === true) callback(null, [...fitting]);
    else callback(null, first.address, first.family);
  };
  if (family !== 0) {
    answer([{ address: name, family }]);
    return;
  }
  void told(name, answer, (error) => callback(error, []));
};

async function told(
  name: string,
  answer: (addresses: readonly LookupAddress[]) => void,
  fail: (error: Error) => void,
): Promise<void> {
  let addresses: readonly LookupAddress[];
  try {
    addresses = await addressesOf(name);
  } catch (error) {
    fail(error instanceof Error ? error : new Error('no answer'));
    return;
  }
  answer(addresses);
}
