/** The certificate authority as homes of the control plane bring it. Nothing else imports what stands behind it. */
import type { Identity, IdentityBase } from '../admin/context.ts';
import { createAuthority } from './create-authority.ts';
import { createRevocationLists } from './crl.ts';
import { createDue } from './due.ts';
import { createFederations } from './federation.ts';
import { createFollowers } from './followers.ts';
import { publicRoutes } from './public-routes.ts';
import { federationRoutes, rotationRoutes } from './rotation-routes.ts';
import { authorityRoutes } from './routes.ts';

export interface IdentityOptions {
  /** Wraps the authority's keys at rest; at least 32 characters. Without it nothing is signed. */
  readonly secret: string | undefined;
  /** The secret before it, until `lateen ca rewrap`. */
  readonly secretBefore: string | undefined;
}

export function createIdentity(options: IdentityOptions): (base: IdentityBase) => Identity {
  return ({ deps, domains }) => {
    const { store, nowMs, log, fetchKeys, allowPrivateKeys } = deps;
    const authority = createAuthority({ store, nowMs, log, domains, ...options });
    const { core } = authority;
    const startedMs = nowMs();
    const federations = createFederations({
      core,
      fetch: fetchKeys,
      allowPrivate: allowPrivateKeys === true,
    });
    return {
      authority,
      addPublicRoutes: (app) => publicRoutes(app, authority, createRevocationLists(core)),
      addRoutes(app, services) {
        const followers = createFollowers(services, startedMs);
        authorityRoutes(app, core, federations);
        rotationRoutes(app, { core, followers, services });
        federationRoutes(app, federations);
      },
      tick: createDue(core, federations),
    };
  };
}
