/** Where cursors were opened and transactions began. Clients go on with them over any of their connections. */

const MAX_CURSORS = 10_000;
const MAX_TRANSACTIONS = 10_000;

/** Keeps those that were set last. */
class Latest<Value> {
  readonly #max: number;
  readonly #values = new Map<string, Value>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    const [oldest] = this.#values.keys();
    if (this.#values.size > this.#max && oldest !== undefined) this.#values.delete(oldest);
  }

  delete(key: string): void {
    this.#values.delete(key);
  }
}

export interface PinnedTransaction {
  /** As hex digits. */
  readonly number: string;
  readonly cluster: string;
  /** A route led there; else it is where the connection's own route leads. */
  readonly isRouted: boolean;
}

/** What a cursor is found by: servers number their own. */
export interface CursorKey {
  readonly listener: string;
  readonly database: string;
  /** As hex digits. */
  readonly cursor: string;
}

const keyOf = ({ listener, database, cursor }: CursorKey): string =>
  `${cursor} ${database} ${listener}`;

/** Of all connections of one proxy. */
export class MongoPins {
  readonly #cursors = new Latest<string>(MAX_CURSORS);
  readonly #transactions = new Latest<PinnedTransaction>(MAX_TRANSACTIONS);

  get sizes(): { readonly cursors: number; readonly transactions: number } {
    return { cursors: this.#cursors.size, transactions: this.#transactions.size };
  }

  /** Name of its cluster; undefined = it isn't known. */
  cursor(key: CursorKey): string | undefined {
    return this.#cursors.get(keyOf(key));
  }

  openCursor(key: CursorKey, cluster: string): void {
    this.#cursors.set(keyOf(key), cluster);
  }

  closeCursor(key: CursorKey): void {
    this.#cursors.delete(keyOf(key));
  }

  /** A session has one at a time. */
  transaction(session: string, number: string): PinnedTransaction | undefined {
    const found = this.#transactions.get(session);
    return found?.number === number ? found : undefined;
  }

  /** What the session had before is over. */
  beginTransaction(session: string, transaction: PinnedTransaction): void {
    this.#transactions.set(session, transaction);
  }
}
