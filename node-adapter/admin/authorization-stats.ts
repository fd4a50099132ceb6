/** What authorization policies decided, what those in dry run would have, and what authorizers said. */
import type { AuthorizationCounts } from '../../src/proxy/index.ts';
import type { Plane } from '../plane.ts';
import { metric } from './prometheus.ts';
import type { Labels, Sample } from './prometheus.ts';

interface Counted {
  readonly labels: Labels;
  readonly counts: AuthorizationCounts;
}

/** Requests and carried connections together: a port has either. */
function countedBy(planes: readonly Plane[]): Counted[] {
  return planes.flatMap(({ scope, engine, connections }) =>
    [engine.stats().listeners, connections.stats().listeners].flatMap((listeners, index) =>
      Object.entries(listeners).flatMap(([listener, { authorization }]) =>
        authorization === undefined
          ? []
          : [
              {
                labels: { scope: scope.type, listener, protocol: index === 0 ? 'http' : 'tcp' },
                counts: authorization,
              },
            ],
      ),
    ),
  );
}

function decisions({ labels, counts }: Counted): Sample[] {
  const of = (result: string, tally: Readonly<Record<string, number>>): Sample[] =>
    Object.entries(tally).map(([policy, value]) => ({
      labels: { ...labels, policy, result },
      value,
    }));
  return [...of('allowed', counts.allowed), ...of('denied', counts.denied)];
}

const shadows = ({ labels, counts }: Counted): Sample[] =>
  counts.shadow.map(({ action, result, policyId, count }) => ({
    labels: {
      ...labels,
      action,
      shadow_engine_result: result,
      shadow_effective_policy_id: policyId,
    },
    value: count,
  }));

const checks = ({ labels, counts }: Counted): Sample[] =>
  Object.entries(counts.asked).flatMap(([provider, results]) =>
    Object.entries(results).map(([result, value]) => ({
      labels: { ...labels, provider, result },
      value,
    })),
  );

export function authorizationText(planes: readonly Plane[]): string {
  const counted = countedBy(planes);
  const counter = (name: string, help: string, read: (one: Counted) => Sample[]): string =>
    metric(
      name,
      { type: 'counter', help },
      counted.flatMap((one) => read(one)),
    );
  return [
    counter(
      'lateen_authorization_total',
      'Requests and connections that an authorization policy let pass or refused.',
      decisions,
    ),
    counter(
      'lateen_authorization_shadow_total',
      'What policies in dry run would have decided.',
      shadows,
    ),
    counter('lateen_ext_authz_total', 'Answers of external authorizers.', checks),
  ].join('');
}
