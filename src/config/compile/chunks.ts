/** Lists in chunks: small, and each dependent on its own members alone, so that a change touches one of them. */
import { canonicalJson } from '../../lib/canonical-json.ts';
import { hashName, spreadHash } from '../../lib/hash.ts';
import type { Blob } from '../../model/manifest.ts';

/** Members of a list that travel together, under the hash of their canonical JSON. */
export class Chunk<Item> implements Blob {
  readonly items: readonly Item[];
  readonly name: string;

  constructor(items: readonly Item[]) {
    this.items = items;
    this.name = hashName(this.text());
  }

  text(): string {
    return canonicalJson(this.items);
  }
}

export interface ChunkRule<Item> {
  nameOf(item: Item): string;
  /** What an item counts for. */
  weightOf(item: Item): number;
  /** Most that the items of a chunk weigh together, unless it is one alone. */
  readonly limit: number;
}

/** Bits of a name's hash that choose its side. */
const BITS = 32;

interface Member {
  readonly hash: number;
  readonly weight: number;
  readonly index: number;
}

/** Halves what is too heavy by the next bit of the names' hashes: history leaves no trace, and growth splits one chunk. */
function partition(members: readonly Member[], limit: number, bit: number): number[][] {
  const weight = members.reduce((sum, member) => sum + member.weight, 0);
  if (weight <= limit || members.length < 2 || bit === BITS)
    return members.length === 0 ? [] : [members.map(({ index }) => index)];
  const isRight = ({ hash }: Member): boolean => ((hash >>> (BITS - 1 - bit)) & 1) === 1;
  return [
    ...partition(
      members.filter((member) => !isRight(member)),
      limit,
      bit + 1,
    ),
    ...partition(members.filter(isRight), limit, bit + 1),
  ];
}

function sameItems<Item>(a: readonly Item[], b: readonly Item[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Chunks by their first item: a chunk whose items are the same objects is the same chunk. */
type Known<Item> = ReadonlyMap<Item, Chunk<Item>>;

function chunkOf<Item>(items: readonly Item[], known: Known<Item>): Chunk<Item> {
  const before = known.get(items[0] as Item);
  return before !== undefined && sameItems(before.items, items) ? before : new Chunk(items);
}

const byFirst = <Item>(chunks: readonly Chunk<Item>[]): Known<Item> =>
  new Map(chunks.map((chunk) => [chunk.items[0] as Item, chunk]));

/** A list in chunks, with what the next one like it can use again. */
export interface ChunkList<Item> {
  readonly items: readonly Item[];
  readonly chunks: readonly Chunk<Item>[];
}

interface NamedChunks<Item> extends ChunkList<Item> {
  /** Which items stand in which chunk. */
  readonly groups: readonly (readonly number[])[];
}

function groupsOf<Item>(
  items: readonly Item[],
  rule: ChunkRule<Item>,
  before: NamedChunks<Item> | undefined,
): NamedChunks<Item>['groups'] {
  const isSame =
    before?.items.length === items.length &&
    items.every((item, index) => {
      const other = before.items[index] as Item;
      if (item === other) return true;
      return (
        rule.nameOf(item) === rule.nameOf(other) && rule.weightOf(item) === rule.weightOf(other)
      );
    });
  if (isSame) return before.groups;
  const members = items.map((item, index): Member => ({
    hash: spreadHash(rule.nameOf(item)),
    weight: rule.weightOf(item),
    index,
  }));
  return partition(members, rule.limit, 0);
}

/** Chunks of a list whose order means nothing. Those of `before` stand for the same objects again. */
export function chunksByName<Item>(
  items: readonly Item[],
  rule: ChunkRule<Item>,
  before?: NamedChunks<Item>,
): NamedChunks<Item> {
  const groups = groupsOf(items, rule, before);
  const known = byFirst(before?.chunks ?? []);
  const chunks = groups.map((group) =>
    chunkOf(
      group.map((index) => items[index] as Item),
      known,
    ),
  );
  return { items, groups, chunks };
}

/** A run ends behind one in so many group names, so that what is put in shifts no more than the runs beside it. */
const GROUPS_IN_RUN = 16;

/** Chunks of a list in its order, at most `limit` items each, cut between groups at places that the groups' names choose. */
export function chunksInOrder<Item>(
  items: readonly Item[],
  rule: { readonly limit: number; groupOf(item: Item): string },
  before?: ChunkList<Item>,
): ChunkList<Item> {
  const known = byFirst(before?.chunks ?? []);
  const chunks: Chunk<Item>[] = [];
  let run: Item[] = [];
  for (const [index, item] of items.entries()) {
    run.push(item);
    const group = rule.groupOf(item);
    const next = items[index + 1];
    const isLast = next === undefined || rule.groupOf(next) !== group;
    const isCut = isLast && spreadHash(group) % GROUPS_IN_RUN === 0;
    if (next !== undefined && !isCut && run.length < rule.limit) continue;
    chunks.push(chunkOf(run, known));
    run = [];
  }
  return { items, chunks };
}
