import { describe, expect, it } from 'vitest';
import { uriFault } from './key-guard.ts';
import { createKeys } from './keys.ts';
import { publishedKey as KEY } from '../test/fixtures/keys.ts';
import type { Keys } from './keys.ts';
import { createMemoryTexts } from './store/memory.ts';
import type { TextCache } from '../src/model/store.ts';

interface Issuer {
  readonly keys: Keys;
  readonly asked: string[];
  advance(ms: number): void;
  answers: Record<string, () => Response>;
  readonly lines: string[];
}

const TYPE = { 'content-type': 'application/json' };

const jwks =
  (kid: string, headers: Record<string, string> = {}) =>
  (): Response =>
    Response.json({ keys: [{ ...KEY, kid }] }, { headers });

function issuer(answers: Record<string, () => Response>, cache?: TextCache): Issuer {
  let nowMs = 1_000_000_000;
  const asked: string[] = [];
  const state: Issuer = {
    asked,
    answers,
    lines: [],
    advance(ms) {
      nowMs += ms;
    },
    keys: createKeys({
      fetch: async (url) => {
        asked.push(url);
        return state.answers[url]?.() ?? new Response('', { status: 404 });
      },
      nowMs: () => nowMs,
      log: (line) => state.lines.push(line),
      cache: cache ?? createMemoryTexts(),
    }),
  };
  return state;
}

const URI = 'https://issuer.example.com/keys';
const kidOf = (state: Issuer, uri = URI): unknown => state.keys.of(uri)?.keys[0]?.['kid'];
const settle = () =>
  new Promise((wake) => {
    setTimeout(wake, 5);
  });

describe('keys', () => {
  it('are fetched once, again at three quarters of their max-age, beside what is served', async () => {
    const state = issuer({ [URI]: jwks('one', { 'cache-control': 'public, max-age=600' }) });
    await state.keys.ensure([URI]);
    await state.keys.ensure([URI]);
    expect(state.asked).toHaveLength(1);
    state.answers[URI] = jwks('two');
    state.advance(449_000);
    await state.keys.ensure([URI]);
    expect(state.asked).toHaveLength(1);
    state.advance(2000);
    await state.keys.ensure([URI]);
    expect(kidOf(state)).toBe('one');
    await settle();
    expect(kidOf(state)).toBe('two');
    expect(state.keys.generation).toBe(2);
  });

  it('stay in use while their issuer is away, for a day', async () => {
    const state = issuer({ [URI]: jwks('one') });
    await state.keys.ensure([URI]);
    state.answers[URI] = () => new Response('', { status: 503 });
    state.advance(12 * 3_600_000);
    await state.keys.ensure([URI]);
    await settle();
    expect(kidOf(state)).toBe('one');
    state.advance(14 * 3_600_000);
    expect(kidOf(state)).toBeUndefined();
  });

  it('are asked for again after an unknown kid, at most once in 30 s', async () => {
    const state = issuer({ [URI]: jwks('one') });
    await state.keys.ensure([URI]);
    state.answers[URI] = jwks('two');
    await state.keys.refresh(URI);
    expect(kidOf(state)).toBe('one');
    state.advance(30_000);
    await Promise.all([state.keys.refresh(URI), state.keys.refresh(URI)]);
    expect(kidOf(state)).toBe('two');
    expect(state.asked).toHaveLength(2);
  });

  it('outlive a restart', async () => {
    const cache = createMemoryTexts();
    await issuer({ [URI]: jwks('kept') }, cache).keys.ensure([URI]);
    const restarted = issuer({}, cache);
    await restarted.keys.ensure([URI]);
    expect(kidOf(restarted)).toBe('kept');
  });

  it('are found through the discovery document of an issuer that names none', async () => {
    const base = 'https://login.example.com';
    const name = `issuer:${base}`;
    const document = (own: string) => () =>
      Response.json({ issuer: own, jwks_uri: `${base}/jwks` });
    const discovery = `${base}/.well-known/openid-configuration`;
    const state = issuer({ [discovery]: document(base), [`${base}/jwks`]: jwks('found') });
    await state.keys.ensure([name]);
    expect(kidOf(state, name)).toBe('found');
    const wrong = issuer({ [discovery]: document('https://other'), [`${base}/jwks`]: jwks('x') });
    await wrong.keys.ensure([name]);
    expect(kidOf(wrong, name)).toBeUndefined();
  });

  it('are never fetched from inside, not even when a discovery document says so', async () => {
    const base = 'https://login.example.com';
    const inside = 'http://169.254.169.254/latest';
    const state = issuer({
      [`${base}/.well-known/openid-configuration`]: () =>
        Response.json({ issuer: base, jwks_uri: inside }),
    });
    await state.keys.ensure([`issuer:${base}`]);
    expect(state.asked).not.toContain(inside);
    expect(uriFault(URI, false)).toBeUndefined();
  });

  it.each([
    ['too large', 'x'.repeat(270_000), TYPE, 'more than 262144 bytes'],
    ['no key set', '{"keys":1}', TYPE, 'no list of keys'],
    ['no object', 'null', TYPE, 'no list of keys'],
    ['no JSON', '<html>', TYPE, 'no JSON'],
    ['a page', '{"keys":[]}', { 'content-type': 'text/html' }, 'content type "text/html"'],
    ['more keys than anybody has', `{"keys":[${'{},'.repeat(100)}{}]}`, TYPE, '101 keys'],
  ])('are refused when the answer is %s', async (_name, text, headers, fault) => {
    const state = issuer({ [URI]: () => new Response(text, { headers }) });
    await state.keys.ensure([URI]);
    expect(kidOf(state)).toBeUndefined();
    expect(state.keys.stateOf(URI)?.fault).toContain(fault);
    expect(state.lines.join()).toContain(fault);
  });

  it.each([
    ['a shared secret', { kty: 'oct', k: 'c2VjcmV0' }, 'shared secret'],
    ['a private key', { ...KEY, d: KEY.x }, 'private member d'],
    ['one for encryption', { ...KEY, use: 'enc' }, 'its use is "enc"'],
    ['one that may only sign', { ...KEY, key_ops: ['sign'] }, 'lack verify'],
    ['a weak one', { kty: 'RSA', n: 'w'.repeat(172), e: 'AQAB' }, 'has 1032 bits'],
    ['one with exponent 1', { kty: 'RSA', n: 'w'.repeat(344), e: 'AQ' }, 'exponent'],
    ['an even exponent', { kty: 'RSA', n: 'w'.repeat(344), e: 'Ag' }, 'exponent'],
    ['a giant', { kty: 'RSA', n: 'w'.repeat(4000), e: 'AQAB' }, 'modulus'],
    ['the wrong algorithm', { ...KEY, alg: 'ES384' }, 'no algorithm'],
    ['algorithm none', { ...KEY, alg: 'none' }, 'no algorithm'],
    ['an unknown type', { kty: '__proto__' }, 'no algorithm'],
    ['short coordinates', { ...KEY, x: 'AAAA' }, '32 bytes'],
    ['a number for a name', { ...KEY, kid: 5 }, 'kid is no text'],
    ['a name without end', { ...KEY, kid: 'k'.repeat(2000) }, 'kid'],
    ['no object', null, 'no object'],
    ['a list', [], 'no object'],
  ])('leave out %s, and say why', async (_name, key, reason) => {
    const state = issuer({ [URI]: () => Response.json({ keys: [key, { ...KEY, kid: 'good' }] }) });
    await state.keys.ensure([URI]);
    expect(state.keys.of(URI)?.keys).toEqual([{ ...KEY, kid: 'good' }]);
    expect(state.keys.stateOf(URI)?.dropped.join()).toContain(reason);
  });

  it('carry nothing but what verifies', async () => {
    const state = issuer({
      [URI]: () =>
        Response.json({ keys: [{ ...KEY, kid: 'a', use: 'sig', x5c: ['MII'], odd: 1 }] }),
    });
    await state.keys.ensure([URI]);
    expect(state.keys.of(URI)?.keys).toEqual([{ ...KEY, kid: 'a' }]);
  });

  it('end after a day without their issuer, and proxies are told', async () => {
    const state = issuer({ [URI]: jwks('one', { 'cache-control': 'max-age=99999999' }) });
    let told = 0;
    state.keys.onChange(() => told++);
    await state.keys.ensure([URI]);
    delete state.answers[URI];
    state.advance(2 * 3_600_000);
    await state.keys.ensure([URI]);
    await settle();
    const { isStale, fault } = state.keys.stateOf(URI) ?? {};
    expect([isStale, fault, kidOf(state)]).toEqual([true, 'answered 404', 'one']);
    state.advance(24 * 3_600_000);
    await state.keys.ensure([URI]);
    expect([kidOf(state), told]).toEqual([undefined, 2]);
  });

  it('are tried again ever more seldom while their issuer fails', async () => {
    const state = issuer({});
    const times: number[] = [];
    for (let second = 0; second < 1000; second++) {
      const before = state.asked.length;
      await state.keys.ensure([URI]);
      if (state.asked.length > before) times.push(second);
      state.advance(1000);
    }
    expect(times).toEqual([0, 10, 30, 70, 150, 310, 610, 910]);
  });

  it('are not asked for again for a kid that was not there, for five minutes', async () => {
    const state = issuer({ [URI]: jwks('one') });
    await state.keys.ensure([URI]);
    for (let minute = 0; minute < 6; minute++) {
      state.advance(60_000);
      await state.keys.refresh(URI, 'nobody');
    }
    expect(state.asked).toHaveLength(3);
    state.answers[URI] = jwks('two');
    state.advance(60_000);
    await state.keys.refresh(URI, 'two');
    expect([state.asked.length, kidOf(state)]).toEqual([4, 'two']);
  });

  it('of many names that nobody has cost one fetch in 30 s', async () => {
    const state = issuer({ [URI]: jwks('one') });
    await state.keys.ensure([URI]);
    for (let index = 0; index < 600; index++) {
      state.advance(100);
      await Promise.all([
        state.keys.refresh(URI, `a${index}`),
        state.keys.refresh(URI, `b${index}`),
      ]);
    }
    expect(state.asked).toHaveLength(3);
  });

  it('stay the same object while they are the same', async () => {
    const state = issuer({ [URI]: jwks('one') });
    await state.keys.ensure([URI]);
    const first = state.keys.of(URI);
    state.advance(31_000);
    await state.keys.refresh(URI);
    expect(state.asked).toHaveLength(2);
    expect(state.keys.of(URI)).toBe(first);
    expect(state.keys.generation).toBe(1);
  });

  it('need a discovery document that names its issuer', async () => {
    const base = 'https://login.example.com';
    const discovery = `${base}/.well-known/openid-configuration`;
    const state = issuer({
      [discovery]: () => Response.json({ jwks_uri: `${base}/jwks` }),
      [`${base}/jwks`]: jwks('found'),
    });
    await state.keys.ensure([`issuer:${base}`]);
    expect(kidOf(state, `issuer:${base}`)).toBeUndefined();
    expect(state.lines.join()).toContain('of issuer null');
  });
});
