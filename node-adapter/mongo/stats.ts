/** Operations of MongoDB's clients, counted by command and by collection; names that clients choose can't fill the memory. */

/** Operations under one name, as plain JSON. */
export interface MongoCounts {
  readonly operations: number;
  /** Of the requests, as they were sent. */
  readonly requestBytes: number;
  readonly replyBytes: number;
  /** By MongoDB's error code; only those that occurred. */
  readonly errors: Readonly<Record<string, number>>;
  /** Answered operations up to so many milliseconds: not summed up; `inf` is beyond the last. */
  readonly latencyMs: Readonly<Record<string, number>>;
  readonly latencySumMs: number;
}

export interface MongoStats {
  readonly connections: number;
  /** Connections that turned out to say something else: they are carried on unread. */
  readonly lost: number;
  /** Messages that nothing could be read of. */
  readonly unread: number;
  /** Messages by the compressor that they came with. */
  readonly compressed: Readonly<Record<string, number>>;
  readonly delayed: number;
  readonly refused: number;
  /** Operations that couldn't go where they belong, and were answered with an error. */
  readonly unroutable: number;
  /** Operations by the cluster that they were sent to, where there are routes. */
  readonly routed: Readonly<Record<string, number>>;
  readonly commands: Readonly<Record<string, MongoCounts>>;
  /** By `database.collection`. */
  readonly collections: Readonly<Record<string, MongoCounts>>;
}

const BUCKETS_MS = [0.5, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000] as const;
const MAX_COLLECTIONS = 200;
const MAX_CODES = 64;
const OTHER = 'other';

const COMMANDS =
  'abortTransaction aggregate authenticate buildInfo bulkWrite collStats commitTransaction connectionStatus count create ' +
  'createIndexes createUser currentOp dbStats delete distinct drop dropDatabase dropIndexes endSessions explain find ' +
  'findAndModify getLog getMore getParameter hello hostInfo insert isMaster killCursors killOp killSessions listCollections ' +
  'listDatabases listIndexes logout ping query refreshSessions renameCollection replSetGetStatus saslContinue saslStart ' +
  'serverStatus startSession update usersInfo validate';

/** Commands are written in one way whatever case a client uses. */
const NAMES: ReadonlyMap<string, string> = new Map(
  COMMANDS.split(' ').map((name) => [name.toLowerCase(), name]),
);

/** Of one command or collection. */
export class OperationCounts {
  #operations = 0;
  #requestBytes = 0;
  #replyBytes = 0;
  #sumMs = 0;
  readonly #buckets = Array.from({ length: BUCKETS_MS.length + 1 }, () => 0);
  readonly #errors = new Map<number | string, number>();

  begin(bytes: number): void {
    this.#operations++;
    this.#requestBytes += bytes;
  }

  reply(bytes: number): void {
    this.#replyBytes += bytes;
  }

  answered(ms: number): void {
    this.#sumMs += ms;
    const found = BUCKETS_MS.findIndex((most) => ms <= most);
    const bucket = found < 0 ? BUCKETS_MS.length : found;
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
  }

  error(given: number): void {
    const code = this.#errors.has(given) || this.#errors.size < MAX_CODES ? given : OTHER;
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
  }

  view(): MongoCounts {
    const buckets = this.#buckets.map(
      (count, index) => [String(BUCKETS_MS[index] ?? 'inf'), count] as const,
    );
    return {
      operations: this.#operations,
      requestBytes: this.#requestBytes,
      replyBytes: this.#replyBytes,
      errors: Object.fromEntries(this.#errors),
      latencyMs: Object.fromEntries(buckets.filter(([, count]) => count > 0)),
      latencySumMs: this.#sumMs,
    };
  }
}

const viewOf = (table: ReadonlyMap<string, OperationCounts>): Record<string, MongoCounts> =>
  Object.fromEntries([...table].map(([name, counts]) => [name, counts.view()]));

function entry(table: Map<string, OperationCounts>, name: string): OperationCounts {
  let counts = table.get(name);
  if (counts === undefined) {
    counts = new OperationCounts();
    table.set(name, counts);
  }
  return counts;
}

export class MongoCounters {
  connections = 0;
  lost = 0;
  unread = 0;
  delayed = 0;
  refused = 0;
  unroutable = 0;
  readonly #compressed = new Map<string, number>();
  readonly #routed = new Map<string, number>();
  readonly #commands = new Map<string, OperationCounts>();
  readonly #collections = new Map<string, OperationCounts>();

  command(name: string): OperationCounts {
    return entry(this.#commands, NAMES.get(name.toLowerCase()) ?? OTHER);
  }

  /** @param wanted those that are counted by name; undefined = those that come first */
  collection(
    database: string,
    name: string,
    wanted: readonly string[] | undefined,
  ): OperationCounts {
    const full = `${database}.${name}`;
    const isWanted =
      wanted === undefined || wanted.includes(full) || wanted.includes(`${database}.*`);
    const hasRoom = this.#collections.has(full) || this.#collections.size < MAX_COLLECTIONS;
    return entry(this.#collections, isWanted && hasRoom ? full : OTHER);
  }

  compressor(name: string): void {
    this.#compressed.set(name, (this.#compressed.get(name) ?? 0) + 1);
  }

  routed(cluster: string): void {
    this.#routed.set(cluster, (this.#routed.get(cluster) ?? 0) + 1);
  }

  view(): MongoStats {
    const { connections, lost, unread, delayed, refused, unroutable } = this;
    return {
      connections,
      lost,
      unread,
      compressed: Object.fromEntries(this.#compressed),
      delayed,
      refused,
      unroutable,
      routed: Object.fromEntries(this.#routed),
      commands: viewOf(this.#commands),
      collections: viewOf(this.#collections),
    };
  }
}
