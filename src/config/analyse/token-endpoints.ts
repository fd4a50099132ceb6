/** IST0101: the service that a Policy's `oidc` asks for tokens must exist. */
import type { PolicySpec, Resource } from '../../model/api.ts';
import type { Analyser } from './mesh.ts';
import { checkWhereabouts } from './references.ts';

interface TokenEndpoint {
  readonly host: string;
  readonly port: number;
}

const AT = 'spec.oidc.tokenEndpoint';

export const analyseTokenEndpoint: Analyser = (resource, mesh) => {
  const { spec, metadata } = resource as Resource<PolicySpec>;
  const { tokenEndpoint } = (spec['oidc'] ?? {}) as { readonly tokenEndpoint?: TokenEndpoint };
  if (tokenEndpoint === undefined) return [];
  return checkWhereabouts(
    {
      host: tokenEndpoint.host.toLowerCase(),
      port: tokenEndpoint.port,
      subset: undefined,
      paths: { host: `${AT}.host`, port: `${AT}.port`, subset: AT },
      clients: [metadata.namespace],
      consequence: 'nobody can log in',
    },
    mesh,
  );
};
