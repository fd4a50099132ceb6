/** Fetches keys in Node: connects only to addresses that were looked at, however often a name changes its mind. */
import { lookup as systemLookup } from 'node:dns/promises';
import { request as requestHttp } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import { hostOf, isPrivateAddress } from './key-guard.ts';
import type { FetchKeys, MeshEndpoint } from './keys.ts';

export interface Resolved {
  readonly address: string;
  readonly family: number;
}

export interface NodeKeysOptions {
  /** @default false */
  readonly allowPrivate?: boolean;
  /** All addresses of a name. @default the system's resolver */
  readonly resolve?: (host: string) => Promise<readonly Resolved[]>;
}

const MAX_HEAD_BYTES = 32 * 1024;

/** One private address among public ones is an attempt, not a choice. */
async function addressesOf(
  host: string,
  { allowPrivate = false, resolve }: NodeKeysOptions,
): Promise<readonly Resolved[]> {
  const family = isIP(host);
  const found =
    family !== 0
      ? [{ address: host, family }]
      : await (resolve?.(host) ?? systemLookup(host, { all: true }));
  if (found.length === 0) throw new Error('its host has no address');
  if (!allowPrivate && found.some(({ address }) => isPrivateAddress(address)))
    throw new Error('its host resolves to a private address');
  return found;
}

/** Answers what was found before, so that nothing is asked a second time between look and connect. */
function pinned(addresses: readonly Resolved[]): LookupFunction {
  return (_host, options, done) => {
    const [first] = addresses;
    if (options.all === true) done(null, [...addresses]);
    else done(null, first?.address ?? '', first?.family ?? 0);
  };
}

function toResponse(message: IncomingMessage): Response {
  const status = message.statusCode ?? 0;
  if (status !== 200) {
    message.destroy();
    return new Response(null, { status: status >= 200 && status < 600 ? status : 502 });
  }
  const encoding = message.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    message.destroy();
    throw new Error('the answer is compressed, which was not asked for');
  }
  const headers = new Headers();
  for (const name of ['content-type', 'cache-control']) {
    const value = message.headers[name];
    if (typeof value === 'string') headers.set(name, value);
  }
  return new Response(Readable.toWeb(message) as ReadableStream, { status, headers });
}

function target(url: URL, endpoint: MeshEndpoint | undefined): { host: string; port: number } {
  if (endpoint === undefined) {
    const usual = url.protocol === 'https:' ? 443 : 80;
    return { host: hostOf(url), port: url.port === '' ? usual : Number(url.port) };
  }
  if (endpoint.address.startsWith('binding:'))
    throw new Error(`${endpoint.address} is a service binding, which only Workers have`);
  return { host: endpoint.address, port: endpoint.port };
}

export function createNodeKeys(options: NodeKeysOptions = {}): FetchKeys {
  return async (uri, { signal, endpoint }) => {
    const url = new URL(uri);
    const { host, port } = target(url, endpoint);
    const addresses = await addressesOf(host, options);
    signal.throwIfAborted();
    const isSecure = url.protocol === 'https:';
    const name = hostOf(url);
    return new Promise((resolve, reject) => {
      const request = (isSecure ? requestHttps : requestHttp)({
        host,
        port,
        path: url.pathname + url.search,
        headers: { host: url.host, accept: 'application/json', 'user-agent': 'lateen' },
        // A connection of its own: a pooled one would skip the look.
        agent: false,
        lookup: pinned(addresses),
        maxHeaderSize: MAX_HEAD_BYTES,
        signal,
        ...(isSecure && isIP(name) === 0 ? { servername: name } : {}),
      });
      request.once('error', reject);
      request.once('response', (message) => {
        try {
          resolve(toResponse(message));
        } catch (error) {
          reject(error instanceof Error ? error : new Error('unknown fault'));
        }
      });
      request.end();
    });
  };
}
