/** What the parts of the authority share. */
import type { Store, StoreChange } from '../../src/model/store.ts';
import type { MeshDomains } from '../mesh-domains.ts';
import { Problem } from '../problem.ts';
import type { Counters } from './counters.ts';
import { createCounters } from './counters.ts';
import type { KeyWrapping } from './key-wrapping.ts';
import { createKeyWrapping } from './key-wrapping.ts';
import type { Signers } from './signers.ts';
import { createSigners } from './signers.ts';
import type { Views } from './view.ts';
import { createViews } from './view.ts';

export interface AuthorityOptions {
  readonly store: Store;
  nowMs(): number;
  log(line: string): void;
  /** Of the mesh: every identity that is issued is of its trust domain; the aliases are proven by the same roots. */
  domains(): Promise<MeshDomains>;
  /** Wraps the authority's keys at rest; at least 32 characters. Without it nothing is signed. */
  readonly secret?: string | undefined;
  /** The secret before, until what it wraps is wrapped anew. */
  readonly secretBefore?: string | undefined;
}

export interface Core {
  readonly store: Store;
  readonly views: Views;
  readonly signers: Signers;
  readonly counters: Counters;
  readonly nowMs: () => number;
  readonly log: (line: string) => void;
  readonly domains: () => Promise<MeshDomains>;
  /** @throws Problem 503 when there is no secret, or a short one */
  readonly wrapping: () => Promise<KeyWrapping>;
}

const NO_SECRET =
  "the authority's keys have no secret to be wrapped with: give LATEEN_CA_SECRET, in a Worker CA_SECRET";

export function createCore({ secret, secretBefore, ...options }: AuthorityOptions): Core {
  let made: Promise<KeyWrapping> | undefined;
  const wrapping = async (): Promise<KeyWrapping> => {
    if (secret === undefined || secret === '') throw new Problem(503, 'no signer', NO_SECRET);
    made ??= createKeyWrapping(secret, secretBefore);
    return made;
  };
  return {
    store: options.store,
    views: createViews(options.store),
    signers: createSigners(wrapping),
    counters: createCounters(),
    nowMs: () => options.nowMs(),
    log: (line) => options.log(line),
    domains: () => options.domains(),
    wrapping,
  };
}

/** Who changes something, and why, for the history. */
export interface By {
  readonly actor: string;
  readonly message: string;
}

/** @throws Problem 409 when somebody else changed the same meanwhile */
export async function commit(
  { store, nowMs }: Core,
  changes: readonly StoreChange[],
  by: By,
): Promise<void> {
  const result = await store.commit(changes, { ...by, atMs: nowMs() });
  if (!result.ok)
    throw new Problem(409, 'conflict', 'somebody else changed the authority meanwhile: try again');
}
