/** HTTPRoute: schema and the CRD's rules. */
import { z } from 'zod';
import { parseDuration } from '../../lib/duration.ts';
import type { HttpRouteMatch, HttpRouteRule, HttpRouteSpec } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { checkRegex } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { checkBackendRef, checkParentRefs, checkRuleNames, checkUniqueNames } from './checks.ts';
import {
  backendRefFields,
  between,
  duration,
  headerName,
  hostname,
  listOf,
  routeCommon,
  sectionName,
  weight,
  word,
} from './fields.ts';
import { checkFilters, hasOnePrefix, httpFilter, method, replacesPrefix } from './route-filters.ts';
import { checkSession, sessionPersistence } from './session.ts';

const MAX_RULES = 16;
const MAX_MATCHES = 64;
const MAX_ALL_MATCHES = 128;
const MAX_FILTERS = 16;

export const namedType: z.ZodType = z.enum(['Exact', 'RegularExpression']);

const headerMatch = z.strictObject({
  type: namedType.optional(),
  name: headerName,
  value: word(/^[^\r\n\0]*$/, 4096, 'header value'),
});

const queryMatch = z.strictObject({
  type: namedType.optional(),
  name: headerName,
  value: word(/^/, 1024, 'value of a query parameter'),
});

const match = z.strictObject({
  path: z
    .strictObject({
      type: z.enum(['Exact', 'PathPrefix', 'RegularExpression']).optional(),
      value: z.string().max(1024).optional(),
    })
    .optional(),
  headers: listOf(headerMatch, 16).optional(),
  queryParams: listOf(queryMatch, 16).optional(),
  method: method.optional(),
});

const rule = z.strictObject({
  name: sectionName.optional(),
  matches: listOf(match, MAX_MATCHES).optional(),
  filters: listOf(httpFilter, MAX_FILTERS).optional(),
  backendRefs: listOf(
    z.strictObject({
      ...backendRefFields,
      weight: weight.optional(),
      filters: listOf(httpFilter, MAX_FILTERS).optional(),
    }),
    16,
  ).optional(),
  timeouts: z
    .strictObject({ request: duration.optional(), backendRequest: duration.optional() })
    .optional(),
  retry: z
    .strictObject({
      codes: listOf(between(400, 599), 16).optional(),
      attempts: between(0, 2 ** 31 - 1).optional(),
      backoff: duration.optional(),
    })
    .optional(),
  sessionPersistence: sessionPersistence.optional(),
});

const spec = z.strictObject({
  ...routeCommon,
  hostnames: listOf(hostname, 16).optional(),
  rules: listOf(rule, MAX_RULES, 1).optional(),
});

const PATH_CHARACTERS = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$/;

/** What a path never holds by the time that it is matched. */
function pathFault(value: string): string | undefined {
  if (!value.startsWith('/')) return 'must start with /';
  for (const part of ['//', '/./', '/../', '%2f', '%2F', '#'])
    if (value.includes(part)) return `must not hold ${part}`;
  for (const end of ['/..', '/.']) if (value.endsWith(end)) return `must not end with ${end}`;
  return PATH_CHARACTERS.test(value) ? undefined : 'holds characters that no path has';
}

function checkMatch(given: HttpRouteMatch, path: string, faults: Faults): void {
  const { type = 'PathPrefix', value = '/' } = given.path ?? {};
  if (type === 'RegularExpression') checkRegex(value, `${path}.path`, faults);
  else {
    const fault = pathFault(value);
    if (fault !== undefined)
      faults.error(`${path}.path`, `${type} ${JSON.stringify(value)} ${fault}`);
  }
  for (const field of ['headers', 'queryParams'] as const) {
    checkUniqueNames(given[field], `${path}.${field}`, faults);
    for (const [index, entry] of (given[field] ?? []).entries())
      if (entry.type === 'RegularExpression')
        checkRegex(entry.value, `${path}.${field}[${index}].value`, faults);
  }
}

/** A request timeout of 0 is no bound. */
function checkTimeouts(timeouts: HttpRouteRule['timeouts'], path: string, faults: Faults): void {
  const request = parseDuration(timeouts?.request ?? '0s') ?? 0;
  const backend = parseDuration(timeouts?.backendRequest ?? '0s') ?? 0;
  if (request > 0 && backend > request)
    faults.error(
      `${path}.timeouts`,
      `backendRequest ${timeouts?.backendRequest ?? ''} is longer than request ${timeouts?.request ?? ''}`,
    );
}

function checkRule(given: HttpRouteRule, path: string, faults: Faults): void {
  for (const [index, one] of (given.matches ?? []).entries())
    checkMatch(one, `${path}.matches[${index}]`, faults);
  checkFilters(given.filters, `${path}.filters`, faults);
  const backends = given.backendRefs ?? [];
  for (const [index, ref] of backends.entries()) {
    checkBackendRef(ref, `${path}.backendRefs[${index}]`, faults);
    checkFilters(ref.filters, `${path}.backendRefs[${index}].filters`, faults);
  }
  if (backends.length > 0 && given.filters?.some(({ type }) => type === 'RequestRedirect') === true)
    faults.error(
      path,
      'a rule with a RequestRedirect has backendRefs, want none: nothing goes there',
    );
  const filters = [...(given.filters ?? []), ...backends.flatMap((ref) => ref.filters ?? [])];
  if (replacesPrefix(filters) && !hasOnePrefix(given.matches))
    faults.error(
      path,
      `ReplacePrefixMatch needs exactly one match, a PathPrefix, and there are ${given.matches?.length ?? 0} matches`,
    );
  checkTimeouts(given.timeouts, path, faults);
  checkSession(given.sessionPersistence, `${path}.sessionPersistence`, faults);
}

export const httpRoute: ResourceKind = defineKind<HttpRouteSpec>({
  group: 'gateway.networking.k8s.io',
  kind: 'HTTPRoute',
  versions: ['v1', 'v1beta1', 'v1alpha2'],
  plural: 'httproutes',
  spec,
  validate(given) {
    const faults = new Faults();
    checkParentRefs(given.parentRefs, faults);
    const rules = given.rules ?? [];
    for (const [index, one] of rules.entries()) checkRule(one, `spec.rules[${index}]`, faults);
    const matches = rules.reduce((sum, one) => sum + (one.matches?.length ?? 0), 0);
    if (matches > MAX_ALL_MATCHES)
      faults.error(
        'spec.rules',
        `${matches} matches in all rules, want at most ${MAX_ALL_MATCHES}`,
      );
    checkRuleNames(rules, faults);
    return faults.list;
  },
  notEnforced: (given) =>
    (given.rules ?? []).flatMap((one, index) =>
      one.sessionPersistence === undefined
        ? []
        : [
            {
              path: `spec.rules[${index}].sessionPersistence`,
              reason: 'sessions are not kept on one endpoint by this version',
            },
          ],
    ),
});
