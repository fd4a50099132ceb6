import { describe, expect, test } from 'vitest';
import { createFakeHost } from '../../host/fake-host.ts';
import type { MongoOperation, MongoOperationKind, MongoRules } from '../../model/mongo.ts';
import type { MeshSettings } from '../../model/snapshot.ts';
import { mongoCompiler } from './compile.ts';
import { mongoFilter } from './filter.ts';
import type { MongoPart } from './schema.ts';

const mesh = {} as MeshSettings;

function linked(part: MongoPart, draws: readonly number[] = []): MongoRules {
  const compiled = mongoCompiler.compilePart?.(part, { policy: 'edge/db', mesh });
  const { mongo } = mongoFilter.link(JSON.parse(JSON.stringify(compiled?.config)), {
    host: createFakeHost({ draws }),
    slot: 0,
    mesh,
    keys: () => undefined,
    refreshKeys: () => Promise.resolve(),
    call: () => Promise.reject(new Error('asks nobody')),
  });
  if (mongo === undefined) throw new Error('no rules');
  return mongo;
}

const operation = (command: string, name = ''): MongoOperation => {
  const [database = '', collection = ''] = name.split('.');
  return { command, database, collection };
};

test('an empty part counts and does nothing else', () => {
  const rules = linked({});
  expect(rules).toMatchObject({ policy: 'edge/db', hasFaults: false, hasRoutes: false });
  expect(rules.fault(operation('find', 'a.b'))).toBeUndefined();
  expect(rules.target('a')).toBeUndefined();
});

describe('faults', () => {
  const rules = linked({
    faults: [
      { operations: ['getMore'], collections: ['shop.orders'], delay: { duration: '50ms' } },
      { collections: ['shop.*'], refuse: { code: 112 } },
      { operations: ['hello'], refuse: { code: 12_345 } },
    ],
  });

  test('go to the first that takes the operation', () => {
    expect(rules.fault(operation('getmore', 'shop.orders'))).toEqual({ delayMs: 50 });
    expect(rules.fault(operation('find', 'shop.orders'))).toEqual({
      delayMs: 0,
      refusal: { code: 112, codeName: 'WriteConflict', message: 'refused by the mesh' },
    });
    expect(rules.fault(operation('find', 'other.orders'))).toBeUndefined();
    expect(rules.fault(operation('ping', 'shop'))).toBeUndefined();
  });

  test('spare handshakes that they don’t name', () => {
    expect(rules.fault(operation('hello', 'admin'))?.refusal?.codeName).toBe('Location12345');
    const all = linked({ faults: [{ refuse: {} }] });
    expect(all.fault(operation('saslStart', 'admin'))).toBeUndefined();
    expect(all.fault(operation('isMaster', 'admin'))).toBeUndefined();
    expect(all.fault(operation('ping', 'admin'))?.refusal?.code).toBe(96);
  });

  test('are drawn, delay and refusal by themselves', () => {
    const part: MongoPart = {
      faults: [{ delay: { percent: 10, duration: '1s' }, refuse: { percent: 50 } }],
    };
    const drawn = linked(part, [0.05, 0.6, 0.2, 0.4, 0.9, 0.9]);
    expect(drawn.fault(operation('find', 'a.b'))).toEqual({ delayMs: 1000 });
    expect(drawn.fault(operation('find', 'a.b'))).toMatchObject({ delayMs: 0, refusal: {} });
    expect(drawn.fault(operation('find', 'a.b'))).toBeUndefined();
    expect(linked({ faults: [{ refuse: { percent: 0 } }] }).fault(operation('find'))).toBe(
      undefined,
    );
  });
});

test('routes go by database, and name what is to be another', () => {
  const rules = linked({
    routes: [
      { databases: ['archive', 'old'], subset: 'cold' },
      { databases: ['old', 'eu'], host: 'DB.eu.test', port: 1 },
    ],
  });
  expect(rules.hasRoutes).toBe(true);
  expect(rules.target('old')).toEqual({ subset: 'cold' });
  expect(rules.target('eu')).toEqual({ service: 'db.eu.test', port: 1 });
  expect(rules.target('')).toBeUndefined();
});

describe('routes of operations', () => {
  const rules = linked({
    routes: [
      { databases: ['archive'], operations: ['dropDatabase'], subset: 'first' },
      { collections: ['shop.orders', 'audit.*'], operations: ['read', 'Insert'], subset: 'second' },
      { databases: ['archive'], subset: 'third' },
      { operations: ['write'], subset: 'fourth' },
    ],
    directConnection: true,
  });
  const subset = (
    command: string,
    name: string,
    kind: MongoOperationKind = 'other',
  ): string | undefined => rules.route(operation(command, name), kind)?.subset;

  test('take what meets all that they say, the first counts', () => {
    expect(subset('dropdatabase', 'archive')).toBe('first');
    expect(subset('find', 'archive.old', 'read')).toBe('third');
    expect(subset('find', 'shop.orders', 'read')).toBe('second');
    expect(subset('insert', 'audit.log', 'write')).toBe('second');
    expect(subset('update', 'audit.log', 'write')).toBe('fourth');
    expect(subset('listCollections', 'audit', 'read')).toBeUndefined();
    expect(subset('ping', 'admin')).toBeUndefined();
    expect(subset('', 'shop.orders', 'write')).toBe('fourth');
  });

  test('don’t lead whole connections, unless they go by database alone', () => {
    expect(rules.target('archive')).toEqual({ subset: 'third' });
    expect(rules.target('shop')).toBeUndefined();
    expect(rules.directConnection).toBe(true);
  });
});
