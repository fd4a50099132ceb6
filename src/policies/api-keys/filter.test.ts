import { expect, it } from 'vitest';
import { doorExchange, linkDoor } from '../../../test/fixtures/door.ts';
import { createFakeHost } from '../../host/fake-host.ts';
import { apiKeyEntry } from '../../lib/api-key.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import { apiKeysCompiler } from './compile.ts';
import { apiKeysFilter } from './filter.ts';
import type { ApiKeysPart } from './schema.ts';

const KEY = 'lak_a-key-that-is-long-enough';
const NEW = 'lak_another-key-of-the-same';

function door(part: ApiKeysPart, secret?: () => Readonly<Record<string, string>> | undefined) {
  const host = createFakeHost({ nowMs: Date.UTC(2026, 0, 1) });
  const options = secret === undefined ? { host } : { host, secret };
  const filter = linkDoor(apiKeysCompiler, apiKeysFilter, part, options);
  const answer = (key: string | undefined, x = asked(key)): LocalReply | undefined =>
    filter.request?.(x) as LocalReply | undefined;
  return { host, filter, answer };
}

const asked = (key: string | undefined, more: Partial<Exchange> = {}): Exchange =>
  doorExchange(key === undefined ? [] : [['x-api-key', key]], more);

it('rotates: two keys of one consumer, the old one until it ends', () => {
  const hashes = [apiKeyEntry(NEW), apiKeyEntry(KEY, '2026-01-01T00:00:10Z')];
  const { host, answer } = door({ keys: [{ name: 'ci', hashes }] });
  const x = asked(KEY);
  expect(answer(KEY, x)).toBeUndefined();
  expect(x.identity).toMatchObject({ principal: 'apikey/ci', claims: { sub: 'ci' } });
  host.advance(10_000);
  expect(answer(KEY)).toMatchObject({ status: 401, details: 'api_key_expired' });
  expect(answer(NEW)).toBeUndefined();
});

it('keeps what a token said of who asks', () => {
  const { answer } = door({ keys: [{ name: 'ci', hashes: [apiKeyEntry(KEY)] }] });
  const identity = { principal: 'i/ann' } as Exchange['identity'];
  const x = asked(KEY, { identity });
  answer(KEY, x);
  expect(x.identity).toBe(identity);
});

it('reads a Secret anew when it changes, skips what is no hash, and says nothing of it', () => {
  let values: Readonly<Record<string, string>> | undefined;
  const { host, answer } = door({ secretName: 'keys' }, () => values);
  expect(answer(KEY)).toMatchObject({ status: 503, details: 'api_keys_secret_missing' });
  values = { ci: `${KEY}\n${apiKeyEntry(KEY)}\n`, 'a b': apiKeyEntry(NEW) };
  expect(answer(KEY)).toBeUndefined();
  expect(answer(NEW)?.details).toBe('api_key_unknown');
  expect(host.lines).toHaveLength(2);
  expect(host.lines.join()).not.toContain(KEY);
  values = { ci: apiKeyEntry(NEW) };
  expect([answer(KEY)?.status, answer(NEW)]).toEqual([401, undefined]);
  expect(host.lines).toHaveLength(2);
});

it('lets pass without a key where it is optional, and closes what isn’t HTTP', () => {
  const { filter, answer } = door({ keys: [], optional: true });
  const x = asked(undefined);
  expect([answer(undefined, x), x.identity]).toEqual([undefined, undefined]);
  expect(answer(KEY)?.status).toBe(401);
  expect(filter.connection?.(x)).toBe(false);
});

it('is not linked with a hash that is none', () => {
  expect(() => door({ keys: [{ name: 'ci', hashes: ['x'] }] })).toThrow(/a hash of ci is none/);
});
