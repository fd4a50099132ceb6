/** The log of certificates, read. What expires first stands first. */
import type { Store } from '../../src/model/store.ts';
import type { IssuedRecord } from './records.ts';
import { ISSUED_PREFIX, issuedKey } from './records.ts';

const PAGE = 1000;

/** Those that end after a time, from the one that ends first. */
export async function* issuedAfter(
  store: Store,
  afterMs: number,
): AsyncGenerator<IssuedRecord, void, void> {
  let after = issuedKey({ notAfterMs: afterMs, serial: '\uffff' });
  for (;;) {
    const { records, more } = await store.list(ISSUED_PREFIX, { limit: PAGE, after });
    for (const { value } of records) yield JSON.parse(value) as IssuedRecord;
    const last = records.at(-1);
    if (!more || last === undefined) return;
    after = last.key;
  }
}

export async function findIssued(store: Store, serial: string): Promise<IssuedRecord | undefined> {
  let after = '';
  for (;;) {
    const { records, more } = await store.list(ISSUED_PREFIX, { limit: PAGE, after });
    const found = records.find(({ key }) => key.endsWith(`/${serial}`));
    if (found !== undefined) return JSON.parse(found.value) as IssuedRecord;
    const last = records.at(-1);
    if (!more || last === undefined) return undefined;
    after = last.key;
  }
}

export interface IssuedQuery {
  readonly identity?: string | undefined;
  readonly serial?: string | undefined;
  /** Those that have ended too, as far as they are kept. @default false */
  readonly ended?: boolean | undefined;
  readonly limit: number;
  /** `next` of the page before. */
  readonly after?: string | undefined;
}

export interface IssuedPage {
  readonly items: readonly IssuedRecord[];
  /** Absent on the last page. */
  readonly next?: string;
}

/** So many records are looked at for one page. */
const MAX_LOOKED_AT = 20_000;

export async function issuedPage(
  store: Store,
  query: IssuedQuery,
  nowMs: number,
): Promise<IssuedPage> {
  const items: IssuedRecord[] = [];
  const start = query.ended === true ? '' : issuedKey({ notAfterMs: nowMs, serial: '\uffff' });
  let after = query.after === undefined ? start : ISSUED_PREFIX + query.after;
  for (let seen = 0; seen < MAX_LOOKED_AT; seen += PAGE) {
    const { records, more } = await store.list(ISSUED_PREFIX, { limit: PAGE, after });
    for (const { key, value } of records) {
      const record = JSON.parse(value) as IssuedRecord;
      after = key;
      const isWanted =
        (query.identity === undefined || record.identity === query.identity) &&
        (query.serial === undefined || record.serial === query.serial);
      if (isWanted) items.push(record);
      if (items.length === query.limit) return { items, next: after.slice(ISSUED_PREFIX.length) };
    }
    if (!more) return { items };
  }
  return { items, next: after.slice(ISSUED_PREFIX.length) };
}
