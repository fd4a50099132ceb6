/** Who runs here: a small file for each proxy in its data folder, so that commands find it. */
import {
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

export interface NodeRecord {
  readonly pid: number;
  readonly kind: 'sidecar' | 'gateway';
  readonly namespace: string;
  readonly name: string;
  /** URL or path of a socket; absent = it has no admin endpoint. */
  readonly admin?: string;
  readonly workers: number;
  readonly startedMs: number;
}

const SUFFIX = '.node.json';

export type RecordKey = Pick<NodeRecord, 'kind' | 'namespace' | 'name'>;

function fileOf(folder: string, { kind, namespace, name }: RecordKey): string {
  return join(folder, `${[kind, namespace, name].map(encodeURIComponent).join('.')}${SUFFIX}`);
}

function read(file: string): NodeRecord | undefined {
  try {
    const value = JSON.parse(readFileSync(file, 'utf8')) as Partial<NodeRecord>;
    return Number.isInteger(value.pid) ? (value as NodeRecord) : undefined;
  } catch {
    return undefined;
  }
}

/** A process of another user counts. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as { readonly code?: string }).code === 'EPERM';
  }
}

/** Those whose process is there. */
export function readRecords(folder: string): readonly NodeRecord[] {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith(SUFFIX))
    .sort()
    .map((name) => read(join(folder, name)))
    .filter((record) => record !== undefined)
    .filter(({ pid }) => isAlive(pid));
}

export function findRecord(folder: string, key: RecordKey): NodeRecord | undefined {
  const record = read(fileOf(folder, key));
  return record !== undefined && record.pid !== process.pid && isAlive(record.pid)
    ? record
    : undefined;
}

export function writeRecord(folder: string, record: NodeRecord): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = fileOf(folder, record);
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  renameSync(draft, file);
}

/** A successor's stays. */
export function removeRecord(folder: string, key: RecordKey): void {
  const file = fileOf(folder, key);
  if (read(file)?.pid !== process.pid) return;
  try {
    unlinkSync(file);
  } catch {
    // Somebody was faster.
  }
}
