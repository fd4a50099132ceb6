/** TLSRoute, TCPRoute and UDPRoute. */
import { z } from 'zod';
import type { L4RouteSpec } from '../../model/api.ts';
import type { NotEnforced, ResourceKind } from '../../model/config.ts';
import { isIpAddress } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { checkBackendRef, checkParentRefs, checkRuleNames } from './checks.ts';
import { backendRef, hostname, listOf, routeCommon, sectionName } from './fields.ts';

const rule = z.strictObject({
  name: sectionName.optional(),
  backendRefs: listOf(backendRef, 16, 1),
});

const rules = listOf(rule, 16, 1);

function checkRoute(given: L4RouteSpec): Faults {
  const faults = new Faults();
  checkParentRefs(given.parentRefs, faults);
  for (const [index, one] of (given.rules ?? []).entries())
    for (const [at, ref] of (one.backendRefs ?? []).entries())
      checkBackendRef(ref, `spec.rules[${index}].backendRefs[${at}]`, faults);
  checkRuleNames(given.rules, faults);
  return faults;
}

const common = { group: 'gateway.networking.k8s.io' } as const;

const notCarried = (): NotEnforced[] => [
  { path: 'spec.rules', reason: 'a Worker carries HTTP alone', only: 'node' },
];

export const tlsRoute: ResourceKind = defineKind<L4RouteSpec>({
  ...common,
  kind: 'TLSRoute',
  versions: ['v1', 'v1alpha3', 'v1alpha2'],
  plural: 'tlsroutes',
  spec: z.strictObject({ ...routeCommon, hostnames: listOf(hostname, 16, 1), rules }),
  validate(given) {
    const faults = checkRoute(given);
    const address = given.hostnames?.find((host) => isIpAddress(host));
    if (address !== undefined)
      faults.error(
        'spec.hostnames',
        `${address} is an IP address, want a name: SNI carries no other`,
      );
    return faults.list;
  },
  notEnforced: notCarried,
});

export const tcpRoute: ResourceKind = defineKind<L4RouteSpec>({
  ...common,
  kind: 'TCPRoute',
  versions: ['v1', 'v1alpha2'],
  plural: 'tcproutes',
  spec: z.strictObject({ ...routeCommon, rules }),
  validate: (given) => checkRoute(given).list,
  notEnforced: notCarried,
});

export const udpRoute: ResourceKind = defineKind<L4RouteSpec>({
  ...common,
  kind: 'UDPRoute',
  versions: ['v1alpha2'],
  plural: 'udproutes',
  spec: z.strictObject({ ...routeCommon, rules }),
  validate: (given) => checkRoute(given).list,
  unenforced: 'this mesh carries no UDP',
});
