import { expect, it } from 'vitest';
import { createFakeHost } from '../../host/fake-host.ts';
import { Cookies } from './cookies.ts';
import { Sealer, readSealKeys } from './seal.ts';

const { random } = createFakeHost();
const line = (id: string, fill: string): string => `${id}:${btoa(fill.repeat(32))}`;

it('opens what any of the keys sealed, and seals with the first: so they are changed', async () => {
  const sealer = new Sealer(random, ['session', 'a']);
  const old = await readSealKeys(line('k1', 'x'));
  const both = await readSealKeys(`${line('k2', 'y')}\r\n${line('k1', 'x')}\n`);
  const now = await readSealKeys(line('k2', 'y'));
  if (old === undefined || both === undefined || now === undefined) throw new Error('no keys');
  const before = await sealer.seal(old, { a: 'ä' });
  const after = await sealer.seal(both, { a: 'ä' });
  expect([before.split('.')[0], after.split('.')[0]]).toEqual(['k1', 'k2']);
  expect(await sealer.open(both, before)).toEqual({ a: 'ä' });
  expect(await sealer.open(now, after)).toEqual({ a: 'ä' });
  expect(await sealer.open(now, before)).toBeUndefined();
  expect(await new Sealer(random, ['login', 'a']).open(both, after)).toBeUndefined();
  expect(await sealer.seal(both, 1)).not.toBe(await sealer.seal(both, 1));
});

it.each([
  '',
  '\n',
  btoa('x'.repeat(32)),
  `a:${btoa('x'.repeat(31))}`,
  `a:${btoa('x'.repeat(33))}`,
  `a b:${btoa('x'.repeat(32))}`,
  `${line('a', 'x')}\n${line('a', 'y')}`,
  Array.from({ length: 9 }, (_, index) => line(`k${index}`, 'x')).join('\n'),
])('%j are no keys', async (text) => {
  expect(await readSealKeys(text)).toBeUndefined();
});

it('a session that shrinks takes its last pieces away', () => {
  const cookies = new Cookies('__Host-s');
  const large = cookies.writeSession([], 'x'.repeat(9000), 60) ?? [];
  expect(large.map((cookie) => cookie.split('=')[0])).toEqual([
    '__Host-s',
    '__Host-s.1',
    '__Host-s.2',
  ]);
  const field = large.map((cookie) => cookie.split(';')[0]).join('; ');
  expect(cookies.session([field])).toBe('x'.repeat(9000));
  const small = cookies.writeSession([field], 'y', 60) ?? [];
  expect(small.slice(1).map((cookie) => cookie.split(';').slice(0, 2).join())).toEqual([
    '__Host-s.1=, Max-Age=0',
    '__Host-s.2=, Max-Age=0',
  ]);
  expect(cookies.writeSession([], 'x'.repeat(20_000), 60)).toBeUndefined();
});
