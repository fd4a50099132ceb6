/** Wraps every key with the newest secret, so that the one before can go. */
import type { StoreChange } from '../../src/model/store.ts';
import type { Core } from './core.ts';
import { commit } from './core.ts';
import type { WrappedKey } from './key-wrapping.ts';
import { PENDING_KEY, keyPurpose, tokenKeyPurpose } from './records.ts';
import { putGeneration, putState } from './setup.ts';
import { putTokenKey } from './token-keys.ts';
import type { View } from './view.ts';

/** Ids of the secrets that wrap something now. */
export function secretsInUse({ generations, tokenKeys, pending }: View): string[] {
  const keys: readonly WrappedKey[] = [
    ...[...generations.values()].map(({ key }) => key),
    ...tokenKeys.map(({ key }) => key),
    ...(pending === undefined ? [] : [pending.key]),
  ];
  return [...new Set(keys.map(({ kekId }) => kekId))].sort();
}

/** How many keys were wrapped with another secret. @throws Problem 503 when that one isn't given */
export async function rewrap(core: Core, actor: string): Promise<number> {
  const [view, wrapping] = await Promise.all([core.views.current(), core.wrapping()]);
  const isOld = ({ key }: { readonly key: WrappedKey }): boolean => key.kekId !== wrapping.kekId;
  const changes: StoreChange[] = [];
  for (const generation of [...view.generations.values()].filter((one) => isOld(one))) {
    const key = await wrapping.rewrap(generation.key, keyPurpose(generation));
    changes.push(putGeneration({ ...generation, key }));
  }
  for (const tokenKey of view.tokenKeys.filter((one) => isOld(one))) {
    const key = await wrapping.rewrap(tokenKey.key, tokenKeyPurpose(tokenKey.kid));
    changes.push(putTokenKey({ ...tokenKey, key }));
  }
  const { pending, state } = view;
  if (pending !== undefined && isOld(pending)) {
    const key = await wrapping.rewrap(pending.key, keyPurpose(pending));
    changes.push({ op: 'put', key: PENDING_KEY, value: JSON.stringify({ ...pending, key }) });
  }
  if (changes.length === 0) return 0;
  // Whoever changed the state meanwhile makes this conflict.
  const guard =
    state === undefined ? [] : [putState({ ...state, secretSinceMs: core.nowMs() }, view)];
  await commit(core, [...guard, ...changes], {
    actor,
    message: `certificate authority: ${changes.length} keys wrapped with the newest secret`,
  });
  return changes.length;
}
