import { z } from 'zod';
import type { DestinationRuleSpec, Resource, TrafficPolicy } from '../../model/api.ts';
import type { NotEnforced, ResourceKind } from '../../model/config.ts';
import {
  checkDryRun,
  checkExportTo,
  checkLabels,
  checkSelector,
  isHostOrWildcard,
} from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { labelSelector, text, texts } from '../fields.ts';
import { checkTrafficPolicy, subsetSchema, trafficPolicy } from './traffic-policy.ts';

const spec = z.strictObject({
  host: text,
  trafficPolicy: trafficPolicy.optional(),
  subsets: z.array(subsetSchema).optional(),
  exportTo: texts.optional(),
  workloadSelector: labelSelector.optional(),
});

function validate(rule: DestinationRuleSpec, resource: Resource): Faults['list'] {
  const faults = new Faults(resource.metadata.namespace);
  checkDryRun(resource.metadata.annotations, faults, false);
  if (rule.host === '') faults.error('spec.host', 'host is empty, want the name of a service');
  else if (!isHostOrWildcard(rule.host))
    faults.error(
      'spec.host',
      `host ${JSON.stringify(rule.host)} is an invalid name, want a service name, not an IP address`,
    );
  checkTrafficPolicy(rule.trafficPolicy, 'spec.trafficPolicy', faults);
  const names = new Set<string>();
  for (const [index, subset] of (rule.subsets ?? []).entries()) {
    const path = `spec.subsets[${index}]`;
    if (!/^[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/.test(subset.name))
      faults.error(`${path}.name`, `subset name ${JSON.stringify(subset.name)} is no DNS label`);
    if (names.has(subset.name))
      faults.error(`${path}.name`, `subset name ${subset.name} stands twice`);
    names.add(subset.name);
    checkLabels(subset.labels, `${path}.labels`, faults);
    checkTrafficPolicy(subset.trafficPolicy, `${path}.trafficPolicy`, faults);
  }
  checkExportTo(rule.exportTo, faults);
  checkSelector(rule.workloadSelector, 'spec.workloadSelector.matchLabels', faults);
  return faults.list;
}

const LATER: readonly (readonly [field: keyof TrafficPolicy, reason: string, only?: 'node'])[] = [
  [
    'connectionPool',
    "a Worker's connections are the platform's (connectTimeout, http2MaxRequests and maxRetries count)",
    'node',
  ],
  ['outlierDetection', 'endpoints are not ejected by this version'],
  ['tunnel', 'no runtime of this version tunnels'],
  ['proxyProtocol', 'a Worker sends no PROXY protocol', 'node'],
  [
    'retryBudget',
    'the budget is 20 % with a floor of 3 in this version, where maxRetries says no number',
  ],
];

function notEnforcedIn(policy: TrafficPolicy | undefined, path: string): NotEnforced[] {
  if (policy === undefined) return [];
  const found = LATER.filter(([name]) => policy[name] !== undefined).map(
    ([name, reason, only]): NotEnforced => ({
      path: `${path}.${name}`,
      reason,
      ...(only === undefined ? {} : { only }),
    }),
  );
  const balancer = policy.loadBalancer as Readonly<Record<string, unknown>> | undefined;
  for (const name of [
    'consistentHash',
    'localityLbSetting',
    'zoneAwareLbSetting',
    'warmup',
    'warmupDurationSecs',
  ] as const)
    if (balancer?.[name] !== undefined)
      found.push({
        path: `${path}.loadBalancer.${name}`,
        reason: 'this version balances by LEAST_REQUEST, RANDOM and ROUND_ROBIN only',
      });
  const levels = policy.portLevelSettings ?? [];
  return [
    ...found,
    ...levels.flatMap((level, index) =>
      notEnforcedIn(level, `${path}.portLevelSettings[${index}]`),
    ),
  ];
}

export const destinationRule: ResourceKind = defineKind<DestinationRuleSpec>({
  group: 'networking.istio.io',
  kind: 'DestinationRule',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  plural: 'destinationrules',
  spec,
  validate,
  notEnforced: (rule) => [
    ...notEnforcedIn(rule.trafficPolicy, 'spec.trafficPolicy'),
    ...(rule.subsets ?? []).flatMap((subset, index) =>
      notEnforcedIn(subset.trafficPolicy, `spec.subsets[${index}].trafficPolicy`),
    ),
  ],
});
