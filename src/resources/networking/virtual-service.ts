import { z } from 'zod';
import type { ResourceKind } from '../../model/config.ts';
import type { Resource, VirtualServiceSpec } from '../../model/api.ts';
import {
  checkDryRun,
  checkExportTo,
  isDnsLabel,
  isHostOrWildcard,
  isIpAddress,
} from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { integer, labels, text, texts } from '../fields.ts';
import { destination, httpRoute } from './http-schema.ts';
import { checkHttpRoute } from './http-checks.ts';
import { checkL4 } from './l4-checks.ts';

const l4Route = z.array(z.strictObject({ destination, weight: integer.optional() }));
const l4Match = {
  destinationSubnets: texts.optional(),
  port: integer.optional(),
  sourceLabels: labels.optional(),
  gateways: texts.optional(),
  sourceNamespace: text.optional(),
};

const spec = z.strictObject({
  hosts: texts.optional(),
  gateways: texts.optional(),
  http: z.array(httpRoute).optional(),
  tls: z
    .array(
      z.strictObject({
        match: z.array(z.strictObject({ sniHosts: texts, ...l4Match })),
        route: l4Route.optional(),
      }),
    )
    .optional(),
  tcp: z
    .array(
      z.strictObject({
        match: z.array(z.strictObject({ ...l4Match, sourceSubnet: text.optional() })).optional(),
        route: l4Route.optional(),
      }),
    )
    .optional(),
  exportTo: texts.optional(),
});

function checkHosts(hosts: readonly string[], appliesToMesh: boolean, faults: Faults): void {
  for (const [index, host] of hosts.entries()) {
    const path = `spec.hosts[${index}]`;
    if (host === '') faults.error(path, 'a host is empty, want a name');
    else if (host === '*') {
      if (appliesToMesh)
        faults.error(path, 'wildcard host * is not allowed for services bound to the mesh gateway');
    } else if (!isHostOrWildcard(host) && !isIpAddress(host))
      faults.error(
        path,
        `host ${JSON.stringify(host)} is an invalid name, want a DNS name with at most a left-most wildcard`,
      );
  }
  for (const [index, host] of hosts.entries())
    for (const other of hosts.slice(0, index))
      if (overlaps(host, other))
        faults.error('spec.hosts', `duplicate hosts: ${other} and ${host} overlap`);
}

/** Istio compares case-sensitively at admission, so hosts that differ only in case pass. */
function overlaps(a: string, b: string): boolean {
  const covers = (wide: string, narrow: string): boolean =>
    wide.startsWith('*') && narrow.endsWith(wide.slice(1)) && narrow.length >= wide.length;
  return a === b || covers(a, b) || covers(b, a);
}

function checkGateways(gateways: readonly string[], faults: Faults): void {
  for (const [index, gateway] of gateways.entries()) {
    const path = `spec.gateways[${index}]`;
    const parts = gateway.split('/');
    const [first = '', second] = parts;
    if (gateway === 'mesh') continue;
    if (parts.length > 2)
      faults.error(path, `gateway ${gateway} has more than one slash, want namespace/name`);
    else if (second === undefined) {
      if (first === '') faults.error(path, 'gateway name is empty');
      else if (!isHostOrWildcard(first) || first.startsWith('*'))
        faults.error(path, `gateway ${JSON.stringify(gateway)} is no name`);
      else if (first.includes('.'))
        faults.warn(path, `gateway ${gateway} in the old dotted form: write namespace/name`);
    } else if (second === '' || first === '')
      faults.error(
        path,
        `gateway ${JSON.stringify(gateway)} has an empty part, want namespace/name`,
      );
    else if ((first !== '.' && !isDnsLabel(first)) || !isDnsLabel(second))
      faults.error(path, `gateway ${JSON.stringify(gateway)} is no namespace/name`);
  }
}

function checkDelegate(rules: VirtualServiceSpec, faults: Faults): void {
  if (rules.gateways !== undefined && rules.gateways.length > 0)
    faults.error('spec.gateways', 'a delegate (VirtualService without hosts) names no gateways');
  if (rules.tls !== undefined && rules.tls.length > 0)
    faults.error('spec.tls', 'a delegate has http rules only, not tls');
  if (rules.tcp !== undefined && rules.tcp.length > 0)
    faults.error('spec.tcp', 'a delegate has http rules only, not tcp');
}

function validate(rules: VirtualServiceSpec, resource: Resource): Faults['list'] {
  const faults = new Faults();
  const hosts = rules.hosts ?? [];
  const gateways = rules.gateways ?? [];
  const isDelegate = hosts.length === 0;
  const appliesToMesh = gateways.length === 0 || gateways.includes('mesh');
  const appliesToGateway = gateways.some((gateway) => gateway !== 'mesh') || isDelegate;
  checkDryRun(resource.metadata.annotations, faults, false);
  if (isDelegate) checkDelegate(rules, faults);
  checkGateways(gateways, faults);
  checkHosts(hosts, appliesToMesh, faults);
  if (![rules.http, rules.tls, rules.tcp].some((list) => list !== undefined && list.length > 0))
    faults.error('spec', 'http, tcp or tls must be given: there is no rule');
  for (const [index, route] of (rules.http ?? []).entries())
    checkHttpRoute(route, `spec.http[${index}]`, {
      faults,
      isDelegate,
      appliesToMesh,
      appliesToGateway,
    });
  checkL4(rules, faults);
  checkExportTo(rules.exportTo, faults);
  return faults.list;
}

export const virtualService: ResourceKind = defineKind<VirtualServiceSpec>({
  group: 'networking.istio.io',
  kind: 'VirtualService',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  plural: 'virtualservices',
  spec,
  validate,
  notEnforced: (rules) => [
    ...(rules.tls === undefined
      ? []
      : [
          {
            path: 'spec.tls',
            reason:
              'no runtime of this version carries TLS without ending it; explain says what would be decided',
          },
        ]),
    ...(rules.tcp === undefined
      ? []
      : [
          {
            path: 'spec.tcp',
            reason: 'no runtime of this version carries TCP; explain says what would be decided',
          },
        ]),
    ...(rules.http ?? []).flatMap((route, index) =>
      route.retries?.retryRemoteLocalities === true
        ? [
            {
              path: `spec.http[${index}].retries.retryRemoteLocalities`,
              reason: 'localities are not told apart by this version',
            },
          ]
        : [],
    ),
  ],
});
