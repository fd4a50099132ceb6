/** The proxies with a live lease, and whether they believe a root: as the snapshot says that they acknowledged. */
import type { Services } from '../admin/context.ts';
import { LEASE_MS, scopeKey } from '../registry.ts';
import type { Followers } from './rotation.ts';

export function createFollowers(
  { fleet, push }: Pick<Services, 'fleet' | 'push'>,
  startedMs: number,
): Followers {
  return {
    knownFromMs: startedMs + LEASE_MS,
    async without(root) {
      const live = await fleet.live();
      const scopes = new Map(live.map(({ scope }) => [scopeKey(scope), scope]));
      // What is current is known once it was compiled; a control plane that just started hasn't yet.
      for (const scope of scopes.values()) await push.compiledFor(scope);
      const believes = ({ scope, runs }: (typeof live)[number]): boolean =>
        runs !== undefined &&
        Object.values(push.trustAt(scope, runs)?.roots ?? {}).some((roots) => roots.includes(root));
      return live
        .filter((one) => !believes(one))
        .map(({ scope, id }) => `${scopeKey(scope)} (instance ${id})`);
    },
  };
}
