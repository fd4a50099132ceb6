import { expect, it } from 'vitest';
import type { Resource } from '../model/api.ts';
import { diffResources } from './diff.ts';

const resource = (name: string, spec: unknown, more: Partial<Resource> = {}): Resource => ({
  group: 'networking.istio.io',
  version: 'v1',
  kind: 'VirtualService',
  metadata: { name, namespace: 'default' },
  spec,
  ...more,
});

it('tells what is created, changed, kept and deleted, by key', () => {
  const before = [resource('b', { hosts: ['b'] }), resource('c', {}), resource('d', {})];
  const after = [resource('d', {}), resource('b', { hosts: ['x'] }), resource('a', {})];
  expect(diffResources(before, after).map(({ key, op }) => [key.slice(-9), op])).toEqual([
    ['default/a', 'create'],
    ['default/b', 'update'],
    ['default/c', 'delete'],
    ['default/d', 'unchanged'],
  ]);
});

it('names each field that comes, goes or changes', () => {
  const before = resource('a', { http: [{ timeout: '1s', name: 'x' }, { name: 'y' }] });
  const after = resource('a', { http: [{ timeout: '2s', retries: { attempts: 1 } }] });
  expect(diffResources([before], [after])[0]?.changes).toEqual([
    { path: 'spec.http[0].name', before: 'x' },
    { path: 'spec.http[0].retries', after: { attempts: 1 } },
    { path: 'spec.http[0].timeout', before: '1s', after: '2s' },
    { path: 'spec.http[1]', before: { name: 'y' } },
  ]);
});

it('ignores what only the store writes, and the order of fields', () => {
  const stored = resource(
    'a',
    { x: 1, y: 2 },
    {
      metadata: { name: 'a', namespace: 'default', uid: 'u', generation: 3, resourceVersion: '9' },
    },
  );
  expect(diffResources([stored], [resource('a', { y: 2, x: 1 })])[0]?.op).toBe('unchanged');
});

it('quotes keys that hold dots', () => {
  const labelled = (value: string): Resource =>
    resource(
      'a',
      {},
      { metadata: { name: 'a', namespace: 'default', labels: { 'app.io/a': value } } },
    );
  expect(diffResources([labelled('1')], [labelled('2')])[0]?.changes).toEqual([
    { path: 'metadata.labels["app.io/a"]', before: '1', after: '2' },
  ]);
});

it('shows that a Secret changed, not to what', () => {
  const secret = (text: string): Resource =>
    resource('s', {}, { group: '', kind: 'Secret', data: { key: text } });
  const [change] = diffResources([secret('old')], [secret('new')]);
  expect(change).toMatchObject({ key: 'Secret default/s', op: 'update' });
  expect(JSON.stringify(change)).not.toMatch(/old|new/);
});
