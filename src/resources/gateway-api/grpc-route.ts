/** GRPCRoute: schema and the CRD's rules. */
import { z } from 'zod';
import type { GrpcRouteMatch, GrpcRouteSpec } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { checkRegex } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { checkBackendRef, checkParentRefs, checkRuleNames, checkUniqueNames } from './checks.ts';
import {
  backendRefFields,
  headerName,
  hostname,
  listOf,
  routeCommon,
  sectionName,
  weight,
  word,
} from './fields.ts';
import { namedType } from './http-route.ts';
import { checkFilters, grpcFilter } from './route-filters.ts';
import { checkSession, sessionPersistence } from './session.ts';

const MAX_ALL_MATCHES = 128;

const match = z.strictObject({
  method: z
    .strictObject({
      type: namedType.optional(),
      service: z.string().max(1024).optional(),
      method: z.string().max(1024).optional(),
    })
    .optional(),
  headers: listOf(
    z.strictObject({
      type: namedType.optional(),
      name: headerName,
      value: word(/^[^\r\n\0]*$/, 4096, 'header value'),
    }),
    16,
  ).optional(),
});

const rule = z.strictObject({
  name: sectionName.optional(),
  matches: listOf(match, 64).optional(),
  filters: listOf(grpcFilter, 16).optional(),
  backendRefs: listOf(
    z.strictObject({
      ...backendRefFields,
      weight: weight.optional(),
      filters: listOf(grpcFilter, 16).optional(),
    }),
    16,
  ).optional(),
  sessionPersistence: sessionPersistence.optional(),
});

const spec = z.strictObject({
  ...routeCommon,
  hostnames: listOf(hostname, 16).optional(),
  rules: listOf(rule, 16).optional(),
});

const SERVICE = /^\.?[a-z_][a-z_0-9]*(?:\.[a-z_][a-z_0-9]*)*$/i;
const METHOD = /^[A-Za-z_][A-Za-z_0-9]*$/;

function checkMatch(given: GrpcRouteMatch, path: string, faults: Faults): void {
  const { type = 'Exact', service = '', method = '' } = given.method ?? {};
  const at = `${path}.method`;
  if (given.method !== undefined && service === '' && method === '')
    faults.error(at, 'neither service nor method is given, want one or both');
  if (type === 'RegularExpression') {
    if (service !== '') checkRegex(service, `${at}.service`, faults);
    if (method !== '') checkRegex(method, `${at}.method`, faults);
  } else {
    if (service !== '' && !SERVICE.test(service))
      faults.error(at, `service ${JSON.stringify(service)} is no name of a gRPC service`);
    if (method !== '' && !METHOD.test(method))
      faults.error(at, `method ${JSON.stringify(method)} is no name of a gRPC method`);
  }
  checkUniqueNames(given.headers, `${path}.headers`, faults);
  for (const [index, entry] of (given.headers ?? []).entries())
    if (entry.type === 'RegularExpression')
      checkRegex(entry.value, `${path}.headers[${index}].value`, faults);
}

export const grpcRoute: ResourceKind = defineKind<GrpcRouteSpec>({
  group: 'gateway.networking.k8s.io',
  kind: 'GRPCRoute',
  versions: ['v1', 'v1alpha2'],
  plural: 'grpcroutes',
  spec,
  validate(given) {
    const faults = new Faults();
    checkParentRefs(given.parentRefs, faults);
    const rules = given.rules ?? [];
    for (const [index, one] of rules.entries()) {
      const path = `spec.rules[${index}]`;
      for (const [at, entry] of (one.matches ?? []).entries())
        checkMatch(entry, `${path}.matches[${at}]`, faults);
      checkFilters(one.filters, `${path}.filters`, faults);
      for (const [at, ref] of (one.backendRefs ?? []).entries()) {
        checkBackendRef(ref, `${path}.backendRefs[${at}]`, faults);
        checkFilters(ref.filters, `${path}.backendRefs[${at}].filters`, faults);
      }
      checkSession(one.sessionPersistence, `${path}.sessionPersistence`, faults);
    }
    const matches = rules.reduce((sum, one) => sum + (one.matches?.length ?? 0), 0);
    if (matches > MAX_ALL_MATCHES)
      faults.error(
        'spec.rules',
        `${matches} matches in all rules, want at most ${MAX_ALL_MATCHES}`,
      );
    checkRuleNames(rules, faults);
    return faults.list;
  },
});
