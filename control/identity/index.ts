/** The certificate authority as homes of the control plane bring it. Nothing else imports what stands behind it. */
import type { Identity, IdentityBase, Services } from '../admin/context.ts';
import { createAuthority } from './create-authority.ts';
import { createRevocationLists } from './crl.ts';
import { createDue } from './due.ts';
import { authorityFacts } from './facts.ts';
import { createFederations } from './federation.ts';
import { createFollowers } from './followers.ts';
import { joinAdminRoutes } from './join-admin.ts';
import { joinRoutes } from './join-routes.ts';
import { Joining } from './joining.ts';
import { publicRoutes } from './public-routes.ts';
import { federationRoutes, rotationRoutes } from './rotation-routes.ts';
import { authorityRoutes } from './routes.ts';

export interface IdentityOptions {
  /** Wraps the authority's keys at rest; at least 32 characters. Without it nothing is signed. */
  readonly secret: string | undefined;
  /** The secret before it, until `lateen ca rewrap`. */
  readonly secretBefore: string | undefined;
  /** Of the certificates of workloads. @default 24 hours */
  readonly certificateTtlMs?: number | undefined;
}

export function createIdentity(options: IdentityOptions): (base: IdentityBase) => Identity {
  return ({ deps, domains }) => {
    const { store, nowMs, log, fetchKeys, allowPrivateKeys } = deps;
    const { secret, secretBefore, certificateTtlMs: ttlMs } = options;
    const authority = createAuthority({ store, nowMs, log, domains, secret, secretBefore });
    const joiningOf = once(({ keys }: Services): Joining => {
      const randomHex = (length: number): string => deps.randomHex(length);
      const limit = ttlMs === undefined ? {} : { ttlMs };
      return new Joining({ authority, store, keys, nowMs, randomHex, log, ...limit });
    });
    const { core } = authority;
    const startedMs = nowMs();
    const federations = createFederations({
      core,
      fetch: fetchKeys,
      allowPrivate: allowPrivateKeys === true,
    });
    return {
      authority,
      addPublicRoutes(app, services) {
        publicRoutes(app, authority, createRevocationLists(core));
        joinRoutes(app, joiningOf(services));
      },
      addRoutes(app, services) {
        const followers = createFollowers(services, startedMs);
        authorityRoutes(app, core, federations);
        rotationRoutes(app, { core, followers, services });
        federationRoutes(app, federations);
        joinAdminRoutes(app, services, joiningOf(services));
      },
      facts: async (services) => authorityFacts(core, joiningOf(services)),
      tick: createDue(core, federations),
    };
  };
}

/** What both kinds of routes share. */
function once<From, To>(make: (from: From) => To): (from: From) => To {
  let made: { readonly value: To } | undefined;
  return (from) => (made ??= { value: make(from) }).value;
}
