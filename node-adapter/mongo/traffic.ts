/** MongoDB over carried connections: counted, and under the rules of a Policy delayed, refused and routed. */
import type { Host } from '../../src/host/host.ts';
import type { Exchange } from '../../src/model/exchange.ts';
import type { MongoRules, MongoTarget } from '../../src/model/mongo.ts';
import {
  DEFAULT_FRAMING_LIMITS,
  HEADER_BYTES,
  View,
  readHeader,
  readRequest,
  unpack,
} from '../../src/mongo/index.ts';
import type { MongoCarried } from '../../src/proxy/index.ts';
import type { CarriedControl, CarriedWatcher, MongoWatching } from '../tcp/contract.ts';
import { decompress } from './decompress.ts';
import { MongoGate } from './gate.ts';
import { HeldBudget } from './held.ts';
import { MongoPins } from './pins.ts';
import type { RouterOptions } from './router.ts';
import { MongoRouter } from './router.ts';
import { MongoSession } from './session.ts';
import { MongoCounters } from './stats.ts';
import type { MongoStats } from './stats.ts';

export class MongoTraffic implements MongoWatching {
  readonly #host: Host;
  readonly #counters = new MongoCounters();
  readonly #pins = new MongoPins();
  readonly #budget = new HeldBudget();

  constructor(host: Host) {
    this.#host = host;
  }

  stats(): MongoStats {
    return this.#counters.view();
  }

  watch(x: Exchange, { rules }: MongoCarried, control: CarriedControl): CarriedWatcher {
    const counters = this.#counters;
    counters.connections++;
    const session = new MongoSession({ counters, rules, onLost: () => this.#onLost(x) });
    if (rules === undefined || !(rules.hasFaults || rules.hasRoutes))
      return {
        fromClient: session.clientTap,
        fromServer: session.serverTap,
        get isQuiet() {
          return session.isQuiet;
        },
        onEnd: () => undefined,
      };
    const gate = new MongoGate({
      session,
      control,
      budget: this.#budget,
      router: rules.hasRoutes ? this.#router(x, rules, { session, control }) : undefined,
      onDelay: () => {
        counters.delayed++;
      },
    });
    return {
      gate,
      fromServer: session.serverTap,
      get isQuiet() {
        return session.isQuiet && gate.isQuiet;
      },
      onEnd: () => gate.close(),
    };
  }

  route({ rules }: MongoCarried, early: Buffer): MongoTarget | 'stay' | undefined {
    if (early.length < HEADER_BYTES) return undefined;
    const header = readHeader(new View(early, 0, early.length));
    if (header === undefined || header.length > DEFAULT_FRAMING_LIMITS.headBytes) return 'stay';
    if (early.length < header.length) return undefined;
    const view = new View(early, 0, header.length);
    const unpacked = unpack(header, view, decompress, DEFAULT_FRAMING_LIMITS.compressedBytes);
    const request = unpacked === undefined ? undefined : readRequest(unpacked);
    if (request === undefined) return 'stay';
    const { hello, database } = request;
    return rules?.target(hello === undefined ? database : hello.authDatabase) ?? 'stay';
  }

  #router(
    x: Exchange,
    rules: MongoRules,
    { session, control }: Pick<RouterOptions, 'session' | 'control'>,
  ): MongoRouter {
    const listener = x.listener?.name ?? '';
    const pins = this.#pins;
    const counters = this.#counters;
    const router = new MongoRouter({ rules, control, session, pins, counters, listener });
    session.listener = router;
    return router;
  }

  #onLost(x: Exchange): void {
    const client = JSON.stringify(x.remoteIp);
    const listener = JSON.stringify(x.listener?.name ?? '');
    this.#host.log(
      `{"time":${this.#host.clock.nowMs()},"level":"info","protocol":"mongo","details":"mongo_decode_error","listener":${listener},"client":${client}}`,
    );
  }
}
