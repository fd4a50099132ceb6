/** What `lateen harden` judges an authority by. */
import type { Identity } from '../admin/context.ts';
import type { Core } from './core.ts';
import { MAX_IDENTITIES, MAX_SERIALS } from './deny.ts';
import type { Joining } from './joining.ts';
import { identityConditions, signerStatus } from './status.ts';

export async function authorityFacts(core: Core, joining: Joining): ReturnType<Identity['facts']> {
  const view = await core.views.current();
  const { state, serials, identities } = view;
  const generation = state === undefined ? undefined : view.generations.get(state.signer);
  const signer = generation === undefined ? undefined : await signerStatus(generation);
  const since = state?.secretSinceMs;
  return {
    isSetUp: signer !== undefined,
    ...(since === undefined ? {} : { secretSinceMs: since }),
    conditions: await identityConditions(core, signer, []),
    denied: [
      { of: 'serials', count: serials.size, max: MAX_SERIALS },
      { of: 'identities', count: identities.size, max: MAX_IDENTITIES },
    ],
    joinTokens: (await joining.tokens.list()).map(({ hash: _hash, ...token }) => token),
    oidcJoins: await joining.rules.list(),
  };
}
