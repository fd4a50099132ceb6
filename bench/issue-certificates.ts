/** An authority with a root of its own that issues to as many workloads as are wanted; in Node and in workerd. */
import { createAuthority } from '../control/identity/create-authority.ts';
import { makeRoot, signRequest } from '../control/identity/offline.ts';
import { install, requestIntermediate } from '../control/identity/setup.ts';
import type { Store } from '../src/model/store.ts';

export interface Issuing {
  /** One after the other. */
  issue(count: number): Promise<void>;
}

const DOMAIN = 'bench.test';
const ACTOR = 'bench';

export async function startIssuing(store: Store): Promise<Issuing> {
  const authority = createAuthority({
    store,
    nowMs: () => Date.now(),
    log: () => undefined,
    domains: async () => domains,
    secret: 'a secret of benchmarks, of more than 32 characters',
  });
  const root = await makeRoot(DOMAIN, Date.now());
  const request = await requestIntermediate(authority.core, ACTOR);
  const chain = await signRequest(request, root, Date.now());
  await install(authority.core, { root: root.certificate, chain }, ACTOR);
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
  const publicKey = new Uint8Array(await crypto.subtle.exportKey('spki', keys.publicKey));
  let issued = 0;
  return {
    async issue(count) {
      for (let i = 0; i < count; i++)
        await authority.issue({
          identity: `${DOMAIN}/ns/bench/sa/workload-${issued++}`,
          publicKey,
          actor: ACTOR,
          provenBy: 'operator',
        });
    },
  };
}

const domains = { trustDomain: DOMAIN, aliases: [] };
