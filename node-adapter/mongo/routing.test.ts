/** Gate, router and session together without sockets: whatever is cut where, and whoever answers when. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { opMsg } from '../../test/fixtures/mongo-messages.ts';
import { documentOf, idOf } from '../../test/fixtures/mongo-peers.ts';
import type { MongoRules } from '../../src/model/mongo.ts';
import type { BranchEvents, CarriedControl } from '../tcp/contract.ts';
import { MongoGate } from './gate.ts';
import { HeldBudget } from './held.ts';
import { MongoPins } from './pins.ts';
import { MongoRouter } from './router.ts';
import { MongoSession } from './session.ts';
import { MongoCounters } from './stats.ts';

/** Its route leads to no cluster. */
const NOWHERE = 'far0';
const DATABASES = ['own', 'far1', 'far2', NOWHERE];

const rules: MongoRules = {
  policy: 'default/db',
  hasFaults: false,
  hasRoutes: true,
  directConnection: false,
  collections: undefined,
  fault: () => undefined,
  target: () => undefined,
  route: ({ database }) => (database.startsWith('far') ? { subset: database } : undefined),
};

/** Answers what it got in pieces, when it is asked to. */
class Server {
  readonly messages: Buffer[] = [];
  readonly #pass: (bytes: Buffer) => void;
  readonly #answers: Buffer[] = [];
  #rest = Buffer.alloc(0);

  constructor(pass: (bytes: Buffer) => void) {
    this.#pass = pass;
  }

  take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 16 && this.#rest.length >= this.#rest.readInt32LE(0)) {
      const message = Buffer.from(this.#rest.subarray(0, this.#rest.readInt32LE(0)));
      this.#rest = this.#rest.subarray(message.length);
      this.messages.push(message);
      this.#answer(message);
    }
  }

  /** One piece of what is to be answered; false = there is nothing. */
  turn(size: number): boolean {
    const answer = this.#answers.shift();
    if (answer === undefined) return false;
    const piece = answer.subarray(0, size);
    if (piece.length < answer.length) this.#answers.unshift(answer.subarray(size));
    this.#pass(piece);
    return true;
  }

  #answer(message: Buffer): void {
    if ((message.readUInt32LE(16) & 2) !== 0) return;
    const parts = { responseTo: idOf(message), requestId: idOf(message) + 5000 };
    const more = 'hello' in documentOf(message) ? { maxWireVersion: 21 } : {};
    this.#answers.push(opMsg({ ok: 1, ...more }, parts));
  }
}

class Proxy {
  readonly servers = new Map<string, Server>();
  client = Buffer.alloc(0);
  cut: string | undefined;
  holds = 0;
  readonly gate: MongoGate;

  constructor() {
    const session = new MongoSession({
      counters: new MongoCounters(),
      rules,
      onLost: () => undefined,
    });
    const own = new Server((bytes) => {
      session.serverTap.onBytes(bytes, 0, bytes.length);
      this.#toClient(bytes);
    });
    this.servers.set('own', own);
    const control: CarriedControl = {
      cluster: 'own',
      toServer: (bytes, start, end) => own.take(bytes.subarray(start, end)),
      toClient: (bytes) => this.#toClient(bytes),
      holdClient: () => this.holds++,
      releaseClient: () => this.holds--,
      deferEnd: () => undefined,
      endDeferral: () => undefined,
      clusterOf: ({ subset }) => (subset === NOWHERE ? undefined : subset),
      branch: (cluster, events) => this.#branch(cluster, events),
      abort: ({ details }) => {
        this.cut = details;
      },
    };
    const pins = new MongoPins();
    const counters = new MongoCounters();
    const router = new MongoRouter({ rules, control, session, pins, counters, listener: '' });
    session.listener = router;
    const budget = new HeldBudget();
    this.gate = new MongoGate({ session, control, budget, router, onDelay: () => undefined });
  }

  send(bytes: Buffer): void {
    if (this.gate.onBytes(bytes, 0, bytes.length)) this.servers.get('own')?.take(bytes);
  }

  #toClient(bytes: Buffer): void {
    this.client = Buffer.concat([this.client, bytes]);
  }

  #branch(cluster: string, events: BranchEvents): ReturnType<CarriedControl['branch']> {
    const server = new Server((bytes) => {
      if (events.onBytes(bytes, 0, bytes.length)) this.#toClient(bytes);
    });
    this.servers.set(cluster, server);
    queueMicrotask(() => events.onOpen());
    return {
      send: (bytes, start, end) => server.take(bytes.subarray(start, end)),
      sendOwn: (bytes) => server.take(bytes),
      close: () => undefined,
    };
  }
}

const answered = (bytes: Buffer): number[] => {
  const ids: number[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readInt32LE(at))
    ids.push(bytes.readInt32LE(at + 8));
  return ids;
};

const hello = opMsg({ hello: 1, $db: 'admin' }, { requestId: 1 });

interface Script {
  /** Database and whether it is answered. */
  readonly asked: readonly (readonly [database: number, isAnswered: boolean])[];
  /** Where the client's bytes are cut. */
  readonly cuts: readonly number[];
  /** Which server goes on and by how many bytes; between pieces of the client's. */
  readonly turns: readonly (readonly [server: number, bytes: number])[];
}

const settle = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

async function play({ asked, cuts, turns }: Script): Promise<void> {
  const requests = asked.map(([database, isAnswered], index) =>
    opMsg(
      { find: 'a'.repeat(index), $db: DATABASES[database] },
      { requestId: 10 + index, flags: isAnswered ? 0 : 2 },
    ),
  );
  const stream = Buffer.concat([hello, ...requests]);
  const places = [0, ...cuts.map((cut) => Math.floor(cut * stream.length)), stream.length];
  places.sort((a, b) => a - b);
  const proxy = new Proxy();
  let turn = 0;
  const serve = async (): Promise<boolean> => {
    const [which, bytes] = turns[turn++ % turns.length] ?? [0, 100];
    const servers = [...proxy.servers.values()];
    const isMoved = servers.some((_, i) => servers[(which + i) % servers.length]?.turn(bytes));
    await settle();
    return isMoved;
  };
  for (const [index, end] of places.slice(1).entries()) {
    proxy.send(stream.subarray(places[index], end));
    await serve();
  }
  while (await serve());
  expect(proxy.cut).toBeUndefined();
  expect(proxy.holds).toBe(0);
  expect(proxy.gate.isQuiet).toBe(true);
  expect(answered(proxy.client)).toEqual([
    1,
    ...requests.filter((_, i) => asked[i]?.[1]).map((request) => idOf(request)),
  ]);
  for (const [number, name] of DATABASES.entries()) {
    const own = requests.filter((_, i) => asked[i]?.[0] === number);
    const greets = name === 'own' || own.length > 0 ? [hello] : [];
    const expected = name === NOWHERE ? [] : [...greets, ...own];
    expect(proxy.servers.get(name)?.messages ?? []).toEqual(expected);
  }
}

test('each request goes where it belongs, and answers keep the order of their requests', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        asked: fc.array(fc.tuple(fc.nat(3), fc.boolean()), { maxLength: 10 }),
        cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }),
        turns: fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 80 })), { minLength: 1 }),
      }),
      play,
    ),
    { numRuns: 400 },
  );
});

test('cut at every byte too', async () => {
  const asked = [1, 0, 3, 1, 2, 2, 0].map((database) => [database, true] as const);
  const cuts = Array.from({ length: 2000 }, (_, i) => i / 2000);
  await play({ asked, cuts, turns: [[0, 7]] });
});
