import { describe, expect, it } from 'vitest';
import { createKeys, uriFault } from './keys.ts';
import type { Keys } from './keys.ts';
import { createMemoryTexts } from './store/memory.ts';
import type { TextCache } from '../src/model/store.ts';

interface Issuer {
  readonly keys: Keys;
  readonly asked: string[];
  advance(ms: number): void;
  answers: Record<string, () => Response>;
}

const jwks =
  (kid: string, headers: Record<string, string> = {}) =>
  (): Response =>
    new Response(JSON.stringify({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid }] }), { headers });

function issuer(answers: Record<string, () => Response>, cache?: TextCache): Issuer {
  let nowMs = 1_000_000_000;
  const asked: string[] = [];
  const state: Issuer = {
    asked,
    answers,
    advance(ms) {
      nowMs += ms;
    },
    keys: createKeys({
      fetch: async (url) => {
        asked.push(url);
        return state.answers[url]?.() ?? new Response('', { status: 404 });
      },
      nowMs: () => nowMs,
      log: () => undefined,
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
      new Response(JSON.stringify({ issuer: own, jwks_uri: `${base}/jwks` }));
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
        new Response(JSON.stringify({ jwks_uri: inside })),
    });
    await state.keys.ensure([`issuer:${base}`]);
    expect(state.asked).not.toContain(inside);
    for (const uri of [
      'http://127.0.0.1/k',
      'http://[::1]/k',
      inside,
      'http://10.1.2.3/k',
      'http://localhost/k',
      'http://[::ffff:10.0.0.1]/k',
      'ftp://a.test/k',
      'https://u:p@a.test/k',
    ])
      expect(uriFault(uri, false), uri).toBeDefined();
    expect(uriFault(URI, false)).toBeUndefined();
  });

  it('are refused when the answer is too large or no key set', async () => {
    for (const text of ['x'.repeat(1_100_000), '{"keys":1}', '<html>']) {
      const state = issuer({ [URI]: () => new Response(text) });
      await state.keys.ensure([URI]);
      expect(kidOf(state)).toBeUndefined();
    }
  });
});
