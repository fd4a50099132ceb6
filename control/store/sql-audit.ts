/** The audit log over SQL: a row an entry, as the canonical JSON that the next one's hash is of. */
import { CHAIN_START, pointOf } from '../../src/lib/audit-chain.ts';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import type { AuditEntry, AuditLog, AuditPoint } from '../../src/model/store.ts';
import type { SqlDatabase, SqlRow } from './sql.ts';

const KEPT_AUDIT = 100_000;
/** The log is cut once for so many entries. */
const AUDIT_SLACK = 1000;

const SCHEMA = [
  'CREATE TABLE IF NOT EXISTS audit_log (seq INTEGER PRIMARY KEY, entry TEXT NOT NULL)',
  // The last entry that was cut off, by its hash: what is left still begins somewhere.
  'CREATE TABLE IF NOT EXISTS audit_anchor (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL)',
];

const entryOf = (row: SqlRow): AuditEntry => JSON.parse(String(row['entry'])) as AuditEntry;

type Given = Omit<AuditEntry, 'seq' | 'previous'>;

class AuditTable implements AuditLog {
  readonly #database: SqlDatabase;
  readonly #kept: number;
  readonly #slack: number;

  constructor(database: SqlDatabase, kept: number) {
    this.#database = database;
    this.#kept = kept;
    this.#slack = Math.min(AUDIT_SLACK, kept);
    database.transaction(() => {
      for (const statement of SCHEMA) database.all(statement);
      this.#takeOver();
    });
  }

  async append(entry: Given): Promise<void> {
    // Synchronous from reading the last one to writing the next: nobody else is between.
    this.#database.transaction(() => {
      this.#add(entry);
    });
  }

  async list(options: {
    readonly limit: number;
    readonly before?: number;
  }): Promise<readonly AuditEntry[]> {
    return this.#database
      .all(
        'SELECT entry FROM audit_log WHERE seq < ? ORDER BY seq DESC LIMIT ?',
        options.before ?? Number.MAX_SAFE_INTEGER,
        options.limit,
      )
      .map((row) => entryOf(row));
  }

  async read(options: {
    readonly limit: number;
    readonly after: number;
  }): Promise<readonly AuditEntry[]> {
    return this.#database
      .all(
        'SELECT entry FROM audit_log WHERE seq > ? ORDER BY seq LIMIT ?',
        options.after,
        options.limit,
      )
      .map((row) => entryOf(row));
  }

  async ends(): Promise<{ readonly head: AuditPoint; readonly anchor: AuditPoint }> {
    return { head: this.#head(), anchor: this.#anchor() };
  }

  #add(entry: Given): void {
    const head = this.#head();
    const seq = head.seq + 1;
    const next = { seq, ...entry, previous: head.hash };
    this.#database.all('INSERT INTO audit_log VALUES (?, ?)', seq, canonicalJson(next));
    if (seq % this.#slack === 0) this.#cut(seq - this.#kept);
  }

  #head(): AuditPoint {
    const [row] = this.#database.all('SELECT entry FROM audit_log ORDER BY seq DESC LIMIT 1');
    return row === undefined ? this.#anchor() : pointOf(entryOf(row));
  }

  #anchor(): AuditPoint {
    const [row] = this.#database.all('SELECT seq, hash FROM audit_anchor WHERE id = 1');
    return row === undefined ? CHAIN_START : { seq: Number(row['seq']), hash: String(row['hash']) };
  }

  #cut(last: number): void {
    const [row] = this.#database.all(
      'SELECT entry FROM audit_log WHERE seq <= ? ORDER BY seq DESC LIMIT 1',
      last,
    );
    if (row === undefined) return;
    const { seq, hash } = pointOf(entryOf(row));
    this.#database.all(
      'INSERT INTO audit_anchor VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash',
      seq,
      hash,
    );
    this.#database.all('DELETE FROM audit_log WHERE seq <= ?', seq);
  }

  /** Entries of before there was a chain become its beginning. */
  #takeOver(): void {
    const isOld =
      this.#database.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'audit'")
        .length > 0;
    if (!isOld) return;
    const text = (row: SqlRow, name: string): string => String(row[name] ?? '');
    for (const row of this.#database.all('SELECT * FROM audit ORDER BY seq'))
      this.#add({
        atMs: Number(row['at']),
        actor: text(row, 'actor'),
        role: text(row, 'role'),
        method: text(row, 'method'),
        path: text(row, 'path'),
        status: Number(row['status']),
      });
    this.#database.all('DROP TABLE audit');
  }
}

/** @param options.kept how many entries stay. @default 100,000 */
export function createSqlAudit(
  database: SqlDatabase,
  options: { readonly kept?: number } = {},
): AuditLog {
  return new AuditTable(database, options.kept ?? KEPT_AUDIT);
}
