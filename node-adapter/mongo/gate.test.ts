import { randomBytes } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compressed, message, opMsg, opQuery } from '../../test/fixtures/mongo-messages.ts';
import type { MongoRules } from '../../src/model/mongo.ts';
import type { CarriedControl } from '../tcp/contract.ts';
import { MongoGate } from './gate.ts';
import { HeldBudget } from './held.ts';
import { MongoPins } from './pins.ts';
import { MongoRouter } from './router.ts';
import { MongoSession } from './session.ts';
import { MongoCounters } from './stats.ts';

const refusal = { code: 96, codeName: 'OperationFailed', message: 'rehearsed' };
const rules: MongoRules = {
  policy: 'default/db',
  hasFaults: true,
  hasRoutes: false,
  collections: undefined,
  fault: ({ command }) => (command === 'find' ? { delayMs: 0, refusal } : undefined),
  directConnection: false,
  target: () => undefined,
  route: () => undefined,
};

interface Outcome {
  readonly sent: Buffer;
  readonly answers: number;
  /** Why the connection was cut. */
  readonly cut: string | undefined;
  readonly gate: MongoGate;
}

interface Wishes {
  readonly budget?: HeldBudget;
  readonly isRouted?: boolean;
  /** Of every operation. */
  readonly delayMs?: number;
}

/** What goes on to the server, and how many answers the client gets. */
function run(pieces: readonly Buffer[], wishes: Wishes = {}): Outcome {
  const { budget = new HeldBudget(), isRouted = false, delayMs = 0 } = wishes;
  const given: MongoRules = delayMs === 0 ? rules : { ...rules, fault: () => ({ delayMs }) };
  const sent: Buffer[] = [];
  let answers = 0;
  let cut: string | undefined;
  const counters = new MongoCounters();
  const session = new MongoSession({ counters, rules: given, onLost: () => undefined });
  const control: CarriedControl = {
    cluster: 'own',
    toServer: (bytes, start, end) => sent.push(Buffer.from(bytes.subarray(start, end))),
    toClient: () => answers++,
    holdClient: () => undefined,
    releaseClient: () => undefined,
    deferEnd: () => undefined,
    endDeferral: () => undefined,
    clusterOf: () => undefined,
    branch: () => ({ send: () => undefined, sendOwn: () => undefined, close: () => undefined }),
    abort: ({ details }) => {
      cut = details;
    },
  };
  const pins = new MongoPins();
  const gate = new MongoGate({
    session,
    control,
    budget,
    router: isRouted
      ? new MongoRouter({ rules, control, session, pins, counters, listener: '' })
      : undefined,
    onDelay: () => undefined,
  });
  for (const piece of pieces)
    if (gate.onBytes(piece, 0, piece.length)) sent.push(Buffer.from(piece));
  return { sent: Buffer.concat(sent), answers, cut, gate };
}

const find = opMsg({ find: 'orders', $db: 'shop' });
const large = opMsg(
  { insert: 'orders', $db: 'shop' },
  { sequences: { documents: [{ pad: 'x'.repeat(100_000) }] } },
);
const kinds: readonly Buffer[] = [
  opMsg({ ping: 1, $db: 'admin' }),
  find,
  opQuery('admin.$cmd', { ismaster: 1 }),
  message(2010, Buffer.from('unknown')),
  large,
  message(2013, Buffer.alloc(0)),
];

test('whatever is cut where, all but what is refused goes on as it came', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(kinds.length - 1), { minLength: 1, maxLength: 8 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 }),
      (order, cuts) => {
        const messages = order.map((index) => kinds[index] as Buffer);
        const stream = Buffer.concat(messages);
        const places = [0, ...cuts.map((cut) => Math.floor(cut * stream.length)), stream.length];
        places.sort((a, b) => a - b);
        const pieces = places.slice(1).map((end, i) => stream.subarray(places[i], end));
        const { sent, answers } = run(pieces);
        expect(sent.equals(Buffer.concat(messages.filter((one) => one !== find)))).toBe(true);
        expect(answers).toBe(messages.filter((one) => one === find).length);
      },
    ),
    { numRuns: 1500 },
  );
});

test('in single bytes too', () => {
  const stream = Buffer.concat([kinds[0] as Buffer, find, kinds[3] as Buffer, find]);
  const { sent, answers } = run(Array.from(stream, (_, at) => stream.subarray(at, at + 1)));
  expect(sent.equals(Buffer.concat([kinds[0] as Buffer, kinds[3] as Buffer]))).toBe(true);
  expect(answers).toBe(2);
});

test('noise passes, whatever it looks like', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1 }),
      (pieces) => {
        const all = Buffer.concat([...pieces, Buffer.alloc(100, 0xff)]);
        const { sent } = run([...pieces.map((one) => Buffer.from(one)), Buffer.alloc(100, 0xff)]);
        // What looks like the beginning of a message may be waited for, and nothing is turned.
        expect(all.subarray(0, sent.length).equals(sent)).toBe(true);
      },
    ),
    { numRuns: 2000 },
  );
});

describe('what there is no room to hold', () => {
  const noise = randomBytes(200_000);
  const packed = compressed(opMsg({ insert: 'a', noise, $db: 'b' }), 2, (bytes) =>
    deflateSync(bytes),
  );
  const pieces = [0, 100_000].map((at) => packed.subarray(at, at + 100_000));
  pieces.push(packed.subarray(200_000));
  const budget = new HeldBudget(0);

  test('passes unread where only a fault would want it', () => {
    const { sent, cut } = run(pieces, { budget });
    expect(sent.equals(packed)).toBe(true);
    expect(cut).toBeUndefined();
  });

  test('goes nowhere where its route would have to be known', () => {
    const { sent, cut } = run(pieces, { budget, isRouted: true });
    expect(sent).toHaveLength(0);
    expect(cut).toBe('mongo_overflow');
  });

  test('counts for as long as it is kept, though it waits to be sent', () => {
    const most = 400_000;
    const shared = new HeldBudget(most);
    const delayMs = 60_000;
    const first = run(pieces, { budget: shared, delayMs });
    expect(first.sent).toHaveLength(0);
    expect(run(pieces, { budget: shared }).sent.equals(packed)).toBe(true);
    expect(shared.take(most)).toBe(false);
    first.gate.close();
    expect(shared.take(most)).toBe(true);
  });

  test('is none of a connection that goes whole', () => {
    const { sent, cut } = run([kinds[0] as Buffer, ...pieces], { budget, isRouted: true });
    expect(sent.equals(Buffer.concat([kinds[0] as Buffer, packed]))).toBe(true);
    expect(cut).toBeUndefined();
  });
});
