/** How far history reaches back. */
import { afterEach, expect, it } from 'vitest';
import { serviceEntry, startTestControl } from '../test/fixtures/control.ts';
import type { TestControl } from '../test/fixtures/control.ts';

let control: TestControl;
afterEach(async () => control.close());

async function entries(): Promise<number[]> {
  const { body } = await control.ask('GET', '/v1/history?limit=500');
  return (body['items'] as { revision: number }[]).map(({ revision }) => revision);
}

const token = async () =>
  control.ask('POST', '/v1/tokens', { body: JSON.stringify({ name: 'a', role: 'viewer' }) });
const change = async (port: number) =>
  control.ask('POST', '/v1/apply', { body: serviceEntry('a', port) });

it('is not shortened by what changes no configuration, within bounds', async () => {
  control = await startTestControl({ keepRevisions: 10 });
  for (let port = 1; port <= 20; port++) await change(port);
  for (let made = 0; made < 85; made++) await token();
  // Of 105 revisions one in a hundred lets old ones go.
  expect(await entries()).toEqual(Array.from({ length: 10 }, (_, index) => 20 - index));
  expect((await control.ask('POST', '/v1/rollback', { body: '{"revision":12}' })).status).toBe(200);
  for (let made = 0; made < 200; made++) await token();
  expect(await entries()).toEqual([106]);
});
