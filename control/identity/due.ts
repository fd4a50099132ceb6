/** What an authority has to do by itself, now and then: keys of tokens, ended denials and signers, other domains' bundles, warnings. */
import type { StoreChange } from '../../src/model/store.ts';
import type { Core } from './core.ts';
import { commit } from './core.ts';
import { endedDenials } from './deny.ts';
import type { Federations } from './federation.ts';
import { MAX_TTL_MS } from './issuing.ts';
import { generationKey } from './records.ts';
import { identityConditions, signerStatus } from './status.ts';
import { dueTokenKeys } from './token-keys.ts';
import type { View } from './view.ts';

const EVERY_MS = 30_000;
const WARN_EVERY_MS = 3_600_000;

/** Nothing that they signed holds any more, so that nobody wants their lists. */
function endedGenerations({ state, generations }: View, nowMs: number): StoreChange[] {
  const inUse = new Set([state?.signer, state?.next, state?.previous]);
  return [...generations.values()]
    .filter(
      ({ generation, retiredMs }) =>
        !inUse.has(generation) && retiredMs !== undefined && retiredMs + MAX_TTL_MS < nowMs,
    )
    .map(({ generation }) => ({ op: 'delete', key: generationKey(generation) }));
}

async function warn(core: Core, federations: Federations): Promise<void> {
  const { state, generations } = await core.views.current();
  const generation = state === undefined ? undefined : generations.get(state.signer);
  if (generation === undefined) return;
  const signer = await signerStatus(generation);
  for (const { type, status, message } of await identityConditions(
    core,
    signer,
    await federations.list(),
  ))
    if (status === 'False') core.log(`WARNING certificate authority: ${type}: ${message}`);
}

/** Calls that come more often do nothing. */
export function createDue(core: Core, federations: Federations): () => Promise<void> {
  let doneMs = Number.NEGATIVE_INFINITY;
  let warnedMs = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;
  const work = async (): Promise<void> => {
    const nowMs = core.nowMs();
    const view = await core.views.current();
    if (view.state === undefined) return;
    const changes = [
      ...endedDenials(view, nowMs),
      ...endedGenerations(view, nowMs),
      ...(await dueTokenKeys(view.tokenKeys, nowMs, core.wrapping)),
    ];
    if (changes.length > 0)
      await commit(core, changes, { actor: 'authority', message: 'certificate authority: upkeep' });
    await federations.refresh();
    if (nowMs - warnedMs >= WARN_EVERY_MS) {
      warnedMs = nowMs;
      await warn(core, federations);
    }
  };
  return async () => {
    if (core.nowMs() - doneMs < EVERY_MS) return running;
    doneMs = core.nowMs();
    running ??= work().finally(() => {
      running = undefined;
    });
    return running;
  };
}
