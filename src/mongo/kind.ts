/** Which commands read and which write; of others, as of administration, it isn't said. */
import type { MongoOperationKind } from '../model/mongo.ts';
import type { MongoRequest } from './request.ts';

const lower = (names: string): ReadonlySet<string> => new Set(names.toLowerCase().split(' '));

const READS = lower(
  'collStats count dataSize dbStats distinct explain find getMore listCollections listIndexes query',
);
const WRITES = lower(
  'bulkWrite collMod convertToCapped create createIndexes delete drop dropDatabase dropIndexes findAndModify insert mapReduce renameCollection update',
);

export function kindOf({ command, writesResult }: MongoRequest): MongoOperationKind {
  const name = command.toLowerCase();
  if (name === 'aggregate') return writesResult ? 'write' : 'read';
  if (READS.has(name)) return 'read';
  return WRITES.has(name) ? 'write' : 'other';
}
