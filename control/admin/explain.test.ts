import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestControl } from '../../test/fixtures/control.ts';
import { serviceEntry, startTestControl } from '../../test/fixtures/control.ts';

let control: TestControl;
beforeAll(async () => {
  control = await startTestControl();
});
afterAll(() => control.close());

const client = { type: 'sidecar-outbound', namespace: 'default', name: 'client', labels: {} };
const rules = (status: number): string =>
  `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: shop}\nspec:\n  hosts: [shop.example.com]\n  http:\n  - directResponse: {status: ${status}}\n`;

const applyFile = (text: string) =>
  control.ask('POST', '/v1/apply', {
    body: JSON.stringify({ sources: [{ file: 'shop.yaml', text }] }),
    headers: { 'content-type': 'application/json' },
  });
const explain = (question: object) =>
  control.ask('POST', '/v1/explain', { body: JSON.stringify(question) });
const request = { host: 'shop.example.com', path: '/' };

async function lineOfRoute(): Promise<unknown> {
  const { body } = await explain({ scope: client, request });
  const trace = body['trace'] as { step: string; place?: { file: string; line: number } }[];
  return trace.find(({ step }) => step === 'route')?.place;
}

describe('places', () => {
  it('are those of the file that was applied, and follow it when it moves', async () => {
    await applyFile(`${serviceEntry('shop')}---\n${rules(200)}`);
    expect(await lineOfRoute()).toMatchObject({ file: 'shop.yaml', line: 12 });
    const path = '/v1/resources/networking.istio.io/VirtualService/default/shop';
    const before = await control.ask('GET', path);
    const moved = await applyFile(`# moved\n${serviceEntry('shop')}---\n${rules(200)}`);
    expect(moved.body['results']).toEqual([
      { resource: 'ServiceEntry default/shop', result: 'unchanged' },
      { resource: 'VirtualService default/shop', result: 'unchanged' },
    ]);
    expect(await lineOfRoute()).toMatchObject({ line: 13 });
    const after = await control.ask('GET', path);
    const generation = ({ body }: typeof after): unknown =>
      (body['metadata'] as { generation: number }).generation;
    expect(generation(after)).toBe(generation(before));
    expect(after.body['source']).toBeUndefined();
  });

  it('stand in findings too', async () => {
    await applyFile(
      rules(200).replace('directResponse: {status: 200}', 'route: [{destination: {host: gone}}]'),
    );
    const { body } = await control.ask('GET', '/v1/analyze');
    expect(body['items']).toContainEqual(
      expect.objectContaining({
        code: 'IST0101',
        place: { file: 'shop.yaml', line: 7, column: 28 },
      }),
    );
    await applyFile(rules(200));
  });
});

it.each([
  ['peer.ip', { peer: { ip: 'here' } }],
  ['peer.principal', { peer: { principal: '' } }],
  ['headers[0][0]', { headers: [['a\r\nb', 'c']] }],
  ['headers[0][1]', { headers: [['a', 'b\r\nc: d']] }],
])('a request with a wrong %s is refused', async (path, more) => {
  const { status, body } = await explain({ scope: client, request: { ...request, ...more } });
  expect(status).toBe(400);
  expect(body['errors']).toContainEqual(expect.objectContaining({ path: `request.${path}` }));
});

describe('what a proxy runs', () => {
  const scope = { ...client, name: 'known' };
  let token = '';
  const at = (rest: string): string => `/v1/proxies/sidecar-outbound/default/known/${rest}`;

  beforeAll(async () => {
    const made = await control.ask('POST', '/v1/tokens', {
      body: JSON.stringify({ name: 'known', role: 'proxy', scopes: [scope] }),
    });
    token = String(made.body['token']);
  });

  it('is nothing before an instance has said so', async () => {
    const proxy = { namespace: 'default', name: 'known' };
    const silent = await explain({ proxy, request });
    expect(silent.status).toBe(404);
    expect(String(silent.body['detail'])).toContain('has said what it runs');
    const unknown = await explain({ proxy: { ...proxy, name: 'nobody' }, request });
    expect(unknown.status).toBe(404);
  });

  it('decides, also when what is stored has moved on', async () => {
    await applyFile(rules(200));
    const { body: pointer } = await control.ask('GET', at('pointer'), { token });
    await control.ask('POST', at('ack'), {
      token,
      body: JSON.stringify({ pointer, ok: true, diagnostics: [], instance: 'one' }),
    });
    const proxy = { type: 'sidecar-outbound', namespace: 'default', name: 'known' };
    expect((await explain({ proxy, request })).body).toMatchObject({
      status: 200,
      isCurrent: true,
    });
    await applyFile(rules(503));
    const behind = await explain({ proxy, request });
    expect(behind.body).toMatchObject({
      status: 200,
      isCurrent: false,
      snapshot: pointer['snapshot'],
    });
    expect((await explain({ scope, request })).body).toMatchObject({ status: 503 });
  });

  it('is asked for by one of scope and proxy', async () => {
    const both = await explain({ scope, proxy: { namespace: 'default', name: 'known' }, request });
    expect(both.status).toBe(400);
    expect((await explain({ request })).status).toBe(400);
  });
});
