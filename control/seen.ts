/**
 * What may be used once: written down in the transaction that uses it, so that of two at the same time one wins, whatever
 * process they reach. What has expired goes bit by bit, with the commits of others.
 */
import { sha256Hex } from '../src/lib/hash.ts';
import type { Store, StoreChange } from '../src/model/store.ts';

const SEEN_PREFIX = '!seen/';
/** Looked at with each use, so that they go faster than they come. */
const SWEPT = 16;

export class SeenOnce {
  readonly #store: Store;
  readonly #nowMs: () => number;
  #cursor = '';

  constructor(store: Store, nowMs: () => number) {
    this.#store = store;
    this.#nowMs = nowMs;
  }

  async has(name: string): Promise<boolean> {
    return (await this.#store.get(keyOf(name))) !== undefined;
  }

  /** To be committed with what uses it; conflicts when somebody was faster. */
  async use(name: string, untilMs: number): Promise<readonly StoreChange[]> {
    const key = keyOf(name);
    const old = (await this.#expired()).filter((one) => one !== key);
    return [
      { op: 'put', key, value: JSON.stringify({ untilMs }), ifRevision: 0 },
      ...old.map((one): StoreChange => ({ op: 'delete', key: one })),
    ];
  }

  async #expired(): Promise<readonly string[]> {
    const { records, more } = await this.#store.list(SEEN_PREFIX, {
      limit: SWEPT,
      ...(this.#cursor === '' ? {} : { after: this.#cursor }),
    });
    this.#cursor = more ? (records.at(-1)?.key ?? '') : '';
    const nowMs = this.#nowMs();
    return records
      .filter(({ value }) => (JSON.parse(value) as { untilMs: number }).untilMs <= nowMs)
      .map(({ key }) => key);
  }
}

const keyOf = (name: string): string => SEEN_PREFIX + sha256Hex(name);
