/** Extension providers that are the host: who asks it whether to let a request through. */
import type { AuthorizationPolicySpec } from '../../model/api.ts';
import { nameOf } from '../gateway-api/words.ts';
import type { FoundRoute } from './found.ts';
import { attachment } from './found.ts';
import type { View } from './view.ts';
import { place } from './view.ts';
import { EVERYTHING, authorizationText } from './words.ts';

const SETTINGS = { namespace: 'istio-system', name: 'istio' } as const;

export function authorizerRoutes({ mesh, host }: View): FoundRoute[] {
  const settings = mesh
    .of('ConfigMap', '')
    .find(
      ({ metadata }) =>
        metadata.namespace === SETTINGS.namespace && metadata.name === SETTINGS.name,
    );
  if (settings === undefined) return [];
  const policies = mesh.of<AuthorizationPolicySpec>('AuthorizationPolicy', 'security.istio.io');
  return [...mesh.config.authorizers].flatMap(([name, authorizer]): FoundRoute[] => {
    if (authorizer.kind === 'unusable' || authorizer.service !== host) return [];
    const users = policies.filter(({ spec }) => spec.provider?.name === name);
    const [first] = users;
    return [
      {
        isBroad: false,
        gateways: [],
        listeners: [],
        targets: [],
        view: {
          ...place(settings, 'data.mesh'),
          name,
          roles: ['ext_authz'],
          hosts: [],
          match: first === undefined ? EVERYTHING : 'what policies of action CUSTOM match',
          action: `ask provider ${name}`,
          destinations: [{ host, port: authorizer.port }],
          attachments: users.map((user) => ({
            ...attachment(nameOf(user), true, true, undefined),
            reason: authorizationText(user.spec),
          })),
        },
      },
    ];
  });
}
