/** URLs of a configuration that lead inside, and issuers that lead there once they are asked. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createKeys } from '../../control/keys.ts';
import type { FetchKeys, Keys } from '../../control/keys.ts';
import { createNodeKeys } from '../../control/node-keys.ts';
import type { Resolved } from '../../control/node-keys.ts';
import { createMemoryTexts } from '../../control/store/memory.ts';
import { answerKeys, publishedKey } from '../fixtures/keys.ts';

/** Every spelling of a place that a service on the inside may listen at. */
const INSIDE = [
  'https://127.0.0.1/keys',
  'https://127.1/keys',
  'https://2130706433/keys',
  'https://0x7f000001/keys',
  'https://0x7f.0.0.1/keys',
  'https://0177.0.0.1/keys',
  'https://017700000001/keys',
  'https://１２７.０.０.１/keys',
  'https://127.0.0.1./keys',
  'https://0.0.0.0/keys',
  'https://0/keys',
  'https://10.0.0.8/keys',
  'https://172.31.255.254/keys',
  'https://192.168.1.1/keys',
  'https://100.64.0.1/keys',
  'https://100.100.100.200/latest/meta-data',
  'https://169.254.169.254/latest/meta-data',
  'https://2852039166/latest/meta-data',
  'https://0xa9fea9fe/latest/meta-data',
  'https://192.0.0.192/opc/v2',
  'https://198.18.0.1/keys',
  'https://224.0.0.1/keys',
  'https://255.255.255.255/keys',
  'https://[::1]/keys',
  'https://[::]/keys',
  'https://[::ffff:127.0.0.1]/keys',
  'https://[::ffff:a9fe:a9fe]/keys',
  'https://[::127.0.0.1]/keys',
  'https://[64:ff9b::a9fe:a9fe]/keys',
  'https://[64:ff9b:1::1]/keys',
  'https://[2002:7f00:1::]/keys',
  'https://[2001:0:7f00:1::]/keys',
  'https://[fd00:ec2::254]/latest/meta-data',
  'https://[fe80::1]/keys',
  'https://[fec0::1]/keys',
  'https://[ff02::1]/keys',
  'https://localhost/keys',
  'https://LOCALHOST./keys',
  'https://a.localhost/keys',
  'https://metadata/computeMetadata/v1',
  'https://metadata.google.internal/computeMetadata/v1',
  'https://kubernetes.default.svc/api',
  'https://api.default.svc.cluster.local/keys',
  'https://printer.local/keys',
  'https://router.lan/keys',
  'https://intra.corp/keys',
  'https://nas.home.arpa/keys',
  'https://login.example.com@127.0.0.1/keys',
  'https://user:secret@login.example.com/keys',
  'http://login.example.com/keys',
  'file:///etc/passwd',
  'ftp://login.example.com/keys',
  'gopher://127.0.0.1:6379/_FLUSHALL',
  'data:application/json,{"keys":[]}',
  'javascript:fetch()',
  '//login.example.com/keys',
  'https://',
  'https://[::1',
  'https://login.example.com:99999/keys',
];

interface Asked {
  readonly keys: Keys;
  readonly urls: string[];
}

/** An issuer that would answer whatever it is asked. */
function asking(answers: Readonly<Record<string, unknown>> = {}): Asked {
  const urls: string[] = [];
  const fetch: FetchKeys = (url) => {
    urls.push(url);
    return Promise.resolve(Response.json(answers[url] ?? { keys: [publishedKey] }));
  };
  return { urls, keys: keysBy(fetch) };
}

function keysBy(fetch: FetchKeys, allowPrivate = false): Keys {
  const cache = createMemoryTexts();
  return createKeys({ fetch, nowMs: () => 1e12, log: () => undefined, cache, allowPrivate });
}

const ISSUER = 'https://login.example.com';
const DISCOVERY = `${ISSUER}/.well-known/openid-configuration`;

it('the spellings are refused for what they are: a public one is fetched', async () => {
  const { keys, urls } = asking({ [DISCOVERY]: { issuer: ISSUER, jwks_uri: `${ISSUER}/keys` } });
  await keys.ensure([`${ISSUER}/keys`, `issuer:${ISSUER}`]);
  expect(urls.sort()).toEqual([DISCOVERY, `${ISSUER}/keys`, `${ISSUER}/keys`].sort());
  expect(keys.of(`${ISSUER}/keys`)?.keys).toHaveLength(1);
});

it.each(INSIDE)('a jwksUri %s is not fetched', async (uri) => {
  const { keys, urls } = asking();
  await keys.ensure([uri]);
  await keys.refresh(uri, 'kid');
  expect(urls).toEqual([]);
  expect(keys.of(uri)).toBeUndefined();
  expect(keys.stateOf(uri)?.fault).toContain('is not fetched');
});

it.each(INSIDE)('a discovery document that says %s is not followed', async (uri) => {
  const { keys, urls } = asking({ [DISCOVERY]: { issuer: ISSUER, jwks_uri: uri } });
  await keys.ensure([`issuer:${ISSUER}`]);
  expect(urls).toEqual([DISCOVERY]);
  expect(keys.of(`issuer:${ISSUER}`)).toBeUndefined();
});

describe.each([
  'https://127.0.0.1',
  'https://[::1]',
  'https://metadata.google.internal',
  'http://login.example.com',
  'https://169.254.169.254/?x=',
  'https://localhost#',
  'urn:issuer',
  'accounts',
])('an issuer %s', (issuer) => {
  it('is not asked where its keys are', async () => {
    const { keys, urls } = asking();
    await keys.ensure([`issuer:${issuer}`]);
    expect(urls).toEqual([]);
  });
});

it.each([
  ['of another issuer', { issuer: 'https://evil.test', jwks_uri: `${ISSUER}/keys` }],
  ['of an issuer with a slash more', { issuer: `${ISSUER}/`, jwks_uri: `${ISSUER}/keys` }],
  ['of nobody', { jwks_uri: `${ISSUER}/keys` }],
  ['of a list of issuers', { issuer: [ISSUER], jwks_uri: `${ISSUER}/keys` }],
  ['without keys', { issuer: ISSUER }],
  ['with a list of places', { issuer: ISSUER, jwks_uri: [`${ISSUER}/keys`] }],
  ['that is null', null],
])('a discovery document %s is not believed', async (_name, document) => {
  const { keys } = asking({ [DISCOVERY]: document ?? 'null' });
  await keys.ensure([`issuer:${ISSUER}`]);
  expect(keys.of(`issuer:${ISSUER}`)).toBeUndefined();
});

describe('names that resolve inside', () => {
  const at = (address: string): Resolved => ({ address, family: address.includes(':') ? 6 : 4 });

  it.each([
    ['at once', ['127.0.0.1']],
    ['to the metadata service', ['169.254.169.254']],
    ['to a private address', ['10.0.0.1']],
    ['to a mapped one', ['::ffff:127.0.0.1']],
    ['to a local one', ['::1']],
    ['to a unique local one', ['fd00::1']],
    ['to one behind NAT64', ['64:ff9b::7f00:1']],
    ['beside a public address', ['93.184.216.34', '127.0.0.1']],
    ['behind a public address of the other family', ['93.184.216.34', '::1']],
    ['to an address with a zone', ['fe80::1%eth0']],
    ['to no address', []],
    ['to text', ['localhost']],
  ])('%s are not connected to', async (_name, addresses) => {
    const fetch = createNodeKeys({ resolve: () => Promise.resolve(addresses.map(at)) });
    const keys = keysBy(fetch);
    const uri = 'https://rebind.example.com/keys';
    await keys.ensure([uri]);
    expect(keys.of(uri)).toBeUndefined();
    expect(keys.stateOf(uri)?.fault).toMatch(/private address|no address/);
  });
});

let inside: Server;
let issuer: Server;
let insideHits = 0;
let respond: (request: IncomingMessage, response: ServerResponse) => void;

const listen = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
const portOf = (server: Server): number => (server.address() as AddressInfo).port;

beforeAll(async () => {
  inside = createServer((_request, response) => {
    insideHits++;
    answerKeys(response, 'stolen');
  });
  issuer = createServer((request, response) => respond(request, response));
  await Promise.all([listen(inside), listen(issuer)]);
});

afterAll(() => {
  for (const server of [inside, issuer]) {
    server.closeAllConnections();
    server.close();
  }
});

beforeEach(() => {
  insideHits = 0;
});

describe('an issuer over sockets', () => {
  const fetched = async (): Promise<Keys> => {
    const keys = keysBy(
      (url, init) =>
        createNodeKeys({ allowPrivate: true })(url, {
          ...init,
          signal: AbortSignal.any([init.signal, AbortSignal.timeout(300)]),
        }),
      true,
    );
    await keys.ensure([uri()]);
    return keys;
  };
  const uri = (): string => `http://127.0.0.1:${portOf(issuer)}/keys`;

  it('is believed when it answers as it should', async () => {
    respond = (_request, response) => answerKeys(response, 'one');
    expect((await fetched()).of(uri())?.keys).toHaveLength(1);
  });

  it.each([301, 302, 303, 307, 308])(
    'that redirects inside with %i is not followed',
    async (status) => {
      respond = (_request, response) => {
        response.writeHead(status, { location: `http://127.0.0.1:${portOf(inside)}/` }).end();
      };
      expect((await fetched()).of(uri())).toBeUndefined();
      expect(insideHits).toBe(0);
    },
  );

  const json = { 'content-type': 'application/json' };
  const drip = (response: ServerResponse): void => {
    const timer = setInterval(() => response.write(' '), 20);
    response.once('close', () => clearInterval(timer));
  };
  const attacks: readonly (readonly [string, (response: ServerResponse) => void])[] = [
    [
      'refreshes to another page',
      (r) =>
        r
          .writeHead(200, { ...json, refresh: `0; url=http://127.0.0.1:${portOf(inside)}/` })
          .end('{}'),
    ],
    ['answers a page', (r) => r.writeHead(200, { 'content-type': 'text/html' }).end('{"keys":[]}')],
    ['answers without a type', (r) => r.end('{"keys":[]}')],
    ['answers an error with keys', (r) => r.writeHead(500, json).end('{"keys":[]}')],
    ['answers 204', (r) => r.writeHead(204).end()],
    ['answers 206', (r) => r.writeHead(206, json).end('{"keys":[]}')],
    [
      'answers without end',
      (r) => {
        r.writeHead(200, json);
        r.write('['.repeat(1000));
        const fill = (): void => {
          while (r.write(' '.repeat(65_536)));
        };
        r.on('drain', fill).on('error', () => undefined);
        fill();
      },
    ],
    [
      'answers drop by drop',
      (r) => {
        r.writeHead(200, json);
        drip(r);
      },
    ],
    ['never answers', () => undefined],
    ['hangs up', (r) => void r.socket?.destroy()],
    [
      'hangs up in the middle',
      (r) => {
        r.writeHead(200, { ...json, 'content-length': '1000' });
        r.write('{"keys":[');
        setTimeout(() => r.socket?.destroy(), 20);
      },
    ],
    [
      'answers a bomb',
      (r) =>
        r
          .writeHead(200, { ...json, 'content-encoding': 'gzip' })
          .end(gzipSync(Buffer.alloc(10_000_000))),
    ],
    [
      'has a head without end',
      (r) => r.writeHead(200, { ...json, 'x-fill': 'x'.repeat(100_000) }).end('{"keys":[]}'),
    ],
    [
      'answers text that is no UTF-8',
      (r) => r.writeHead(200, json).end(Buffer.from([0x7b, 0xff, 0x7d])),
    ],
    ['answers a depth without end', (r) => r.writeHead(200, json).end('['.repeat(100_000))],
    [
      'answers a thousand keys',
      (r) =>
        r
          .writeHead(200, json)
          .end(JSON.stringify({ keys: Array.from({ length: 1000 }, () => publishedKey) })),
    ],
    [
      'answers keys by their prototype',
      (r) => r.writeHead(200, json).end('{"__proto__":{"keys":[]}}'),
    ],
  ];
  it.each(attacks)('that %s gives no keys', async (_name, attack) => {
    respond = (_request, response) => {
      response.on('error', () => undefined);
      attack(response);
    };
    const keys = await fetched();
    expect(keys.of(uri())).toBeUndefined();
    expect(keys.stateOf(uri())?.fault).toBeDefined();
    expect(insideHits).toBe(0);
  });

  it('whose name changes its mind is connected to where it was looked at', async () => {
    let asked = 0;
    const resolve = (): Promise<readonly Resolved[]> =>
      Promise.resolve([{ address: asked++ === 0 ? '127.0.0.1' : '127.0.0.2', family: 4 }]);
    const seen: (string | undefined)[] = [];
    respond = (request, response) => {
      seen.push(request.socket.localAddress, request.headers.host);
      answerKeys(response, 'one');
    };
    const keys = keysBy(createNodeKeys({ allowPrivate: true, resolve }), true);
    const named = `http://login.example.com:${portOf(issuer)}/keys`;
    await keys.ensure([named]);
    expect([asked, keys.of(named)?.keys.length]).toEqual([1, 1]);
    expect(seen).toEqual(['127.0.0.1', `login.example.com:${portOf(issuer)}`]);
  });
});
