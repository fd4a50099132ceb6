/** Namespaces and roles through the API: what a credential isn't for is refused, left out and never named. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Asked, AskOptions, TestControl } from '../../test/fixtures/control.ts';
import { serviceEntry, startTestControl } from '../../test/fixtures/control.ts';

let control: TestControl;
const tokens: Record<string, string> = {};

async function make(name: string, body: Record<string, unknown>, by?: string): Promise<Asked> {
  const asked = await control.ask('POST', '/v1/tokens', {
    body: JSON.stringify({ name, ...body }),
    ...(by === undefined ? {} : { token: by }),
  });
  if (asked.status === 201) tokens[name] = String(asked.body['token']);
  return asked;
}

const as = (name: string, method: string, path: string, more: AskOptions = {}): Promise<Asked> =>
  control.ask(method, path, { ...more, token: tokens[name] ?? '' });

const policy = (namespace: string, name = 'p'): string =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {}\n`;
const entryIn = (namespace: string, name: string, port = 80): string =>
  serviceEntry(name, port).replace('metadata: {', `metadata: {namespace: ${namespace}, `);
const text = (asked: Asked): string => JSON.stringify(asked.body);

beforeAll(async () => {
  control = await startTestControl();
  for (const role of ['viewer', 'operator', 'editor', 'security-admin', 'admin']) {
    await make(role, { role });
    await make(`a-${role}`, { role, namespaces: ['a'] });
  }
  for (const body of [
    entryIn('a', 'ours'),
    entryIn('b', 'hidden-one'),
    entryIn('b', 'hidden-two'),
    policy('b', 'hidden-policy'),
    'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: hidden-route, namespace: b}\nspec: {hosts: [x.test], http: [{route: [{destination: {host: nowhere}}]}]}\n',
  ])
    expect((await control.ask('POST', '/v1/apply', { body })).status).toBe(200);
});
afterAll(() => control.close());

describe('a credential of some namespaces', () => {
  it('lists its own across pages, and goes on from its own', async () => {
    await control.ask('POST', '/v1/apply', { body: entryIn('a', 'second') });
    const list = '/v1/resources/networking.istio.io/ServiceEntry';
    const first = await as('a-viewer', 'GET', `${list}?limit=1`);
    expect(text(first)).toContain('"ours"');
    const mark = String(first.body['continue']);
    expect(mark).toContain('/a/');
    const rest = await as('a-viewer', 'GET', `${list}?continue=${encodeURIComponent(mark)}`);
    expect(text(rest)).toContain('"second"');
    expect(text(rest)).not.toContain('hidden');
    expect(rest.body['continue']).toBeUndefined();
    expect((await as('a-viewer', 'GET', `${list}/b`)).status).toBe(403);
    expect((await as('a-viewer', 'GET', '/v1/resources/core/Namespace')).status).toBe(403);
    expect((await as('a-viewer', 'GET', '/v1/resources/core/Namespace/a/a')).status).toBe(403);
  });

  it('sees of history what is its own, and not what was said of more', async () => {
    const both = `${entryIn('a', 'ours', 81)}---\n${entryIn('b', 'hidden-one', 81)}`;
    await control.ask('POST', '/v1/apply?message=hidden-reason', { body: both });
    const { body } = await as('a-viewer', 'GET', '/v1/history');
    expect(JSON.stringify(body)).toContain('/a/ours');
    expect(JSON.stringify(body)).not.toContain('hidden');
    const asked = '/v1/history?resource=networking.istio.io/ServiceEntry/b/hidden-one';
    expect(JSON.stringify((await as('a-viewer', 'GET', asked)).body)).not.toContain('hidden');
    expect(text(await control.ask('GET', '/v1/history'))).toContain('hidden-reason');
  });

  it('applies a batch of its own only, and nothing of one that reaches out', async () => {
    const mixed = `${entryIn('a', 'mixed')}---\n${entryIn('b', 'mixed')}`;
    for (const query of ['', '?dryRun=true']) {
      const refused = await as('a-editor', 'POST', `/v1/apply${query}`, { body: mixed });
      expect(refused.status).toBe(403);
    }
    const path = '/v1/resources/networking.istio.io/ServiceEntry';
    expect((await control.ask('GET', `${path}/a/mixed`)).status).toBe(404);
    expect((await as('a-editor', 'POST', '/v1/diff', { body: mixed })).status).toBe(403);
    expect((await as('a-editor', 'DELETE', '/v1/apply', { body: mixed })).status).toBe(403);
    expect((await as('a-editor', 'POST', '/v1/apply', { body: entryIn('a', 'own') })).status).toBe(
      200,
    );
  });

  it('rolls back its own alone', async () => {
    const start = await control.ask('POST', '/v1/apply', { body: entryIn('a', 'rolled') });
    await control.ask('POST', '/v1/apply', {
      body: `${entryIn('a', 'rolled', 90)}---\n${entryIn('b', 'hidden-two', 90)}`,
    });
    const body = JSON.stringify({ revision: start.body['revision'] });
    expect((await as('a-editor', 'POST', '/v1/rollback', { body })).status).toBe(200);
    const path = '/v1/resources/networking.istio.io/ServiceEntry';
    expect(text(await control.ask('GET', `${path}/a/rolled`))).toContain('"number":80');
    expect(text(await control.ask('GET', `${path}/b/hidden-two`))).toContain('"number":90');
  });

  it('analyses, describes and explains no more than its own', async () => {
    for (const path of ['/v1/describe?host=hidden-one.example.com', '/v1/describe?host=hidden'])
      expect(text(await as('a-viewer', 'GET', path))).not.toContain('hidden-two');
    expect((await as('a-viewer', 'GET', '/v1/describe?host=ours&namespace=b')).status).toBe(403);
    const scope = { type: 'gateway', namespace: 'b', name: 'x', labels: {} };
    const body = JSON.stringify({ scope, request: { host: 'ours.example.com' } });
    expect((await as('a-viewer', 'POST', '/v1/explain', { body })).status).toBe(403);
    expect(text(await as('a-viewer', 'GET', '/v1/analyze'))).not.toContain('hidden');
    expect(text(await control.ask('GET', '/v1/analyze'))).toContain('hidden');
  });

  it('hands out no more than it has', async () => {
    const by = tokens['a-admin'];
    expect((await make('inherits', { role: 'viewer' }, by)).body['namespaces']).toEqual(['a']);
    expect((await make('x', { role: 'viewer', namespaces: ['a', 'b'] }, by)).status).toBe(403);
    const scope = { namespace: 'a', name: 'x', labels: {} };
    const sidecar = { role: 'proxy', scopes: [{ ...scope, type: 'sidecar-inbound' }] };
    expect((await make('sidecar', sidecar, by)).status).toBe(201);
    const gateway = { role: 'proxy', scopes: [{ ...scope, type: 'gateway' }] };
    expect((await make('gateway', gateway, by)).status).toBe(403);
    const other = {
      role: 'proxy',
      scopes: [{ ...scope, type: 'sidecar-inbound', namespace: 'b' }],
    };
    expect((await make('other', other, by)).status).toBe(403);
    const list = text(await as('a-admin', 'GET', '/v1/tokens'));
    expect(list).toContain('"a-viewer"');
    expect(list).not.toContain('"name":"viewer"');
    const all = (await control.ask('GET', '/v1/tokens')).body['items'] as {
      id: string;
      name: string;
    }[];
    const id = all.find(({ name }) => name === 'editor')?.id ?? '';
    expect((await as('a-admin', 'DELETE', `/v1/tokens/${id}`)).status).toBe(404);
    expect((await as('a-admin', 'POST', `/v1/tokens/${id}/rotate`, { body: '{}' })).status).toBe(
      404,
    );
  });
});

describe('roles', () => {
  it('keep traffic and security apart', async () => {
    const status = async (name: string, body: string): Promise<number> =>
      (await as(name, 'POST', '/v1/apply?dryRun=true', { body })).status;
    const secret =
      'apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: a}\nstringData: {a: b}\n';
    const mesh =
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: "trustDomain: x"}\n';
    for (const body of [policy('a'), secret, mesh]) {
      expect(await status('editor', body)).toBe(403);
      expect(await status('security-admin', body)).toBe(200);
    }
    expect(await status('editor', entryIn('a', 'x'))).toBe(200);
    expect(await status('security-admin', entryIn('a', 'x'))).toBe(403);
    expect(await status('operator', entryIn('a', 'x'))).toBe(403);
    expect(await status('editor', `${entryIn('a', 'x')}---\n${policy('a')}`)).toBe(403);
    expect(await status('admin', `${entryIn('a', 'x')}---\n${policy('a')}`)).toBe(200);
  });

  it('refuse an editor a rollback that takes a policy away', async () => {
    const before = await control.ask('POST', '/v1/apply', { body: entryIn('a', 'base') });
    await control.ask('POST', '/v1/apply', { body: policy('a', 'guards') });
    const body = JSON.stringify({ revision: before.body['revision'] });
    const refused = await as('editor', 'POST', '/v1/rollback', { body });
    expect(refused.status).toBe(403);
    const path = '/v1/resources/security.istio.io/AuthorizationPolicy/a/guards';
    expect((await control.ask('GET', path)).status).toBe(200);
    expect((await as('editor', 'DELETE', path)).status).toBe(403);
    expect((await as('security-admin', 'DELETE', path)).status).toBe(200);
  });

  it('are told to who asks for itself', async () => {
    const canI = async (name: string, body: unknown): Promise<Readonly<Record<string, unknown>>> =>
      (await as(name, 'POST', '/v1/access/can-i', { body: JSON.stringify(body) })).body;
    const create = { verb: 'create', kind: 'VirtualService' };
    expect(await canI('editor', create)).toEqual({ allowed: true });
    expect((await canI('viewer', create))['reason']).toContain('want editor or admin');
    expect((await canI('a-editor', create))['allowed']).toBe(false);
    expect((await canI('a-editor', { ...create, namespace: 'a' }))['allowed']).toBe(true);
    expect((await canI('editor', { verb: 'update', kind: 'Policy' }))['note']).toContain('content');
    expect((await canI('admin', { verb: 'create', kind: 'Wish' }))['status']).toBe(400);
    const who = await as('a-editor', 'GET', '/v1/access/whoami');
    expect(who.body).toMatchObject({ name: 'a-editor', role: 'editor', namespaces: ['a'] });
  });
});
