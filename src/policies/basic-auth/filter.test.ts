import { beforeAll, expect, it } from 'vitest';
import { doorExchange, linkDoor } from '../../../test/fixtures/door.ts';
import { createFakeHost } from '../../host/fake-host.ts';
import { hashPassword } from '../../lib/password-hash.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter } from '../../model/policy.ts';
import { basicAuthCompiler } from './compile.ts';
import { basicAuthFilter } from './filter.ts';

const salt = new Uint8Array(16);
let ann: string;
let bob: string;
beforeAll(async () => {
  ann = await hashPassword('one', salt, 10_000);
  bob = await hashPassword('two', salt, 10_000);
});

function door(part: object, secret?: () => Readonly<Record<string, string>> | undefined) {
  const host = createFakeHost();
  const filter = linkDoor(
    basicAuthCompiler,
    basicAuthFilter,
    { users: [{ name: 'ann', hash: ann }], ...part },
    secret === undefined ? { host } : { host, secret },
  );
  return { host, filter };
}

const asking = (text: string, more: Partial<Exchange> = {}): Exchange =>
  doorExchange([['authorization', `Basic ${btoa(text)}`]], more);

const answerTo = async (filter: Filter, x: Exchange): Promise<LocalReply | undefined> =>
  filter.request?.(x);

it('derives once, and then knows at once, until five minutes are over', async () => {
  const { host, filter } = door({});
  const first = filter.request?.(asking('ann:one'));
  expect(first).toBeInstanceOf(Promise);
  expect(await first).toBeUndefined();
  const x = asking('ann:one');
  expect(filter.request?.(x)).toBeUndefined();
  expect(x.identity?.principal).toBe('basic/ann');
  expect(x.request.has('authorization')).toBe(false);
  host.advance(300_000);
  expect(filter.request?.(asking('ann:one'))).toBeInstanceOf(Promise);
});

it('who brings the same at the same time waits for one derivation; beyond eight others nobody does', async () => {
  const { filter } = door({});
  const same = Array.from({ length: 20 }, () => answerTo(filter, asking('ann:one')));
  const others = Array.from({ length: 7 }, (_, index) => answerTo(filter, asking(`ann:x${index}`)));
  const busy = await answerTo(filter, asking('ann:y'));
  expect(busy).toMatchObject({ status: 503, details: 'basic_auth_busy' });
  expect(await Promise.all(same)).toEqual(same.map(() => undefined));
  for (const reply of await Promise.all(others)) expect(reply?.status).toBe(401);
});

it('refuses a client that failed too often, also with the right password', async () => {
  const { host, filter } = door({ throttle: { failures: 2, window: '10s' } });
  for (const user of ['ann', 'nobody'])
    expect((await answerTo(filter, asking(`${user}:x`)))?.status).toBe(401);
  const refused = await answerTo(filter, asking('ann:one'));
  expect(refused).toMatchObject({ status: 429, body: 'too many attempts' });
  expect(refused?.headers).toContainEqual(['retry-after', '10']);
  expect(await answerTo(filter, asking('ann:one', { remoteIp: '192.0.2.2' }))).toBeUndefined();
  host.advance(10_000);
  expect(await answerTo(filter, asking('ann:one'))).toBeUndefined();
});

it('takes users of a Secret as it is now, and forgets passwords that were changed', async () => {
  let values: Readonly<Record<string, string>> | undefined;
  const { host, filter } = door({ secretName: 'users' }, () => values);
  expect(await answerTo(filter, asking('bob:two'))).toMatchObject({ status: 503 });
  expect(await answerTo(filter, asking('ann:one'))).toBeUndefined();
  values = { users: `bob:${bob}\nplain:password\n` };
  expect(await answerTo(filter, asking('bob:two'))).toBeUndefined();
  expect(host.lines.join()).toContain('"lines":[2]');
  expect(host.lines.join()).not.toContain('password"');
  values = { users: `bob:${ann}` };
  expect((await answerTo(filter, asking('bob:two')))?.status).toBe(401);
  expect(await answerTo(filter, asking('bob:one'))).toBeUndefined();
});
