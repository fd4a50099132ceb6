/**
 * What tokens cost: the filter of RequestAuthentication over received heads, out of its cache and at first sight, by
 * the checks of the Node adapter and by WebCrypto, as gateway workers have it. Time is the processor's, of all threads.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { checkFor } from '../node-adapter/signatures.ts';
import { createFakeHost } from '../src/host/fake-host.ts';
import { parseRequest } from '../src/http1/index.ts';
import type { RawRequestHead } from '../src/http1/index.ts';
import type { Exchange } from '../src/model/exchange.ts';
import type { Filter } from '../src/model/policy.ts';
import type { MeshSettings } from '../src/model/snapshot.ts';
import type { JwtConfig } from '../src/policies/jwt/config.ts';
import { jwtFilter } from '../src/policies/jwt/filter.ts';
import { settle, spread } from './measure.ts';
import type { Spread } from './measure.ts';

const ISSUER = 'https://issuer.example.com';
/** More than the cache holds, so that each is gone when it comes again. */
const TOKENS = 1500;
const BATCH = 300;
const ROUNDS = 120;
const WARM_UP = 30;
/** What is promised. */
const MOST_CACHED_US = 3;
const MOST_COLD_US = 120;

interface Signer {
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly jwk: Readonly<Record<string, unknown>>;
}

function signerOf(
  alg: string,
  { privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject },
): Signer {
  return { alg, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid: alg, alg } };
}

const signers: readonly Signer[] = [
  signerOf('ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  signerOf('RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })),
  signerOf('EdDSA', generateKeyPairSync('ed25519')),
];

function filterFor({ jwk }: Signer, isQuick: boolean): Filter {
  const rule: JwtConfig['rules'][number] = {
    origin: { resource: 'RequestAuthentication default/bench', path: 'spec.jwtRules[0]' },
    issuer: ISSUER,
    audiences: ['shop'],
    jwks: { keys: [jwk] },
    fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }],
    fromParams: ['access_token'],
    fromCookies: [],
    forwardOriginalToken: false,
    outputClaimToHeaders: [{ header: 'x-user-name', claim: 'sub' }],
    spaceDelimitedClaims: [],
  };
  const host = { ...createFakeHost({ nowMs: Date.now() }), ...(isQuick ? { checkFor } : {}) };
  return jwtFilter.link(
    { rules: [rule] },
    {
      host,
      slot: 0,
      mesh: {} as MeshSettings,
      keys: () => undefined,
      refreshKeys: () => Promise.resolve(),
      call: () => Promise.reject(new Error('nobody can be reached')),
    },
  );
}

function exchangeWith(token: string): Exchange {
  const head = parseRequest(
    `GET /v1/items?id=7&view=full HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: bench/1.0\r\nAccept: application/json\r\n` +
      `Accept-Encoding: gzip, br\r\nAuthorization: Bearer ${token}\r\nX-Request-Id: 0c5c9d41-6d8e-4c52-8cb8-000000000000\r\n\r\n`,
  ) as RawRequestHead;
  const line = { method: 'GET', scheme: 'http', authority: 'shop.example.com', path: '/v1/items' };
  return { ...line, query: '?id=7&view=full', request: head } as unknown as Exchange;
}

function tokensOf({ alg, privateKey }: Signer): Promise<readonly string[]> {
  return Promise.all(
    Array.from({ length: TOKENS }, (_, jti) =>
      new SignJWT({ jti: String(jti), scope: 'read write', groups: ['people', 'shoppers'] })
        .setProtectedHeader({ alg, kid: alg, typ: 'JWT' })
        .setIssuer(ISSUER)
        .setSubject('somebody')
        .setAudience('shop')
        .setExpirationTime('2h')
        .sign(privateKey),
    ),
  );
}

const figure = ({ median, quartile }: Spread): string =>
  `${median.toFixed(2)} us (lower quartile ${quartile.toFixed(2)})`;

/** What no code around it can save. */
function signatureAlone({ jwk, alg }: Signer, tokens: readonly string[]): Spread {
  const check = checkFor(jwk, alg);
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begun = process.cpuUsage();
    for (let i = 0; i < BATCH; i++) {
      const token = tokens[i] ?? '';
      const at = token.lastIndexOf('.');
      const signature = Buffer.from(token.slice(at + 1), 'base64url');
      if (check?.(Buffer.from(token.slice(0, at)), signature) !== true)
        throw new Error('a signature did not hold');
    }
    const { user, system } = process.cpuUsage(begun);
    if (round >= WARM_UP) rounds.push((user + system) / BATCH);
  }
  return spread(rounds);
}

/** Heads are read outside the time: filters edit them in place. */
async function measure(filter: Filter, tokens: readonly string[]): Promise<Spread> {
  const rounds: number[] = [];
  settle();
  for (let round = 0; round < ROUNDS; round++) {
    const at = (round * BATCH) % tokens.length;
    const exchanges = tokens.slice(at, at + BATCH).map((token) => exchangeWith(token));
    const begun = process.cpuUsage();
    for (const x of exchanges) {
      const answer = filter.request?.(x);
      const reply = answer instanceof Promise ? await answer : answer;
      if (reply !== undefined || x.identity === undefined) throw new Error('a token did not pass');
    }
    const { user, system } = process.cpuUsage(begun);
    if (round >= WARM_UP) rounds.push((user + system) / exchanges.length);
  }
  return spread(rounds);
}

export async function benchJwt(): Promise<void> {
  const [first] = signers;
  for (const signer of signers) {
    const tokens = await tokensOf(signer);
    const alone = signatureAlone(signer, tokens);
    const quick = await measure(filterFor(signer, true), tokens);
    const beside = await measure(filterFor(signer, false), tokens);
    const want = signer === first ? `; want less than ${MOST_COLD_US}` : '';
    console.log(`${signer.alg} token at first sight: ${figure(quick)}${want}`);
    console.log(`  its signature alone: ${figure(alone)}`);
    console.log(`  by WebCrypto: ${figure(beside)}`);
    if (signer !== first) continue;
    const hit = await measure(filterFor(signer, true), tokens.slice(0, BATCH));
    console.log(`token out of the cache: ${figure(hit)}; want less than ${MOST_CACHED_US}`);
  }
}

if (import.meta.main) await benchJwt();
