/** Filters of HTTPRoute and GRPCRoute rules and backends. */
import { z } from 'zod';
import type { HttpRouteMatch, PathModifier, RouteFilter } from '../../model/api.ts';
import type { Faults } from '../define.ts';
import { anyMap, flag } from '../fields.ts';
import { checkBackendRef, checkUnique, checkUniqueNames } from './checks.ts';
import {
  backendRefFields,
  between,
  headerName,
  listOf,
  localRef,
  portNumber,
  preciseHostname,
  word,
} from './fields.ts';

const MAX_ENTRIES = 16;
const MAX_PATH = 1024;

const header = z.strictObject({
  name: headerName,
  value: word(/^[^\r\n\0]*$/, 4096, 'header value'),
});

const headerFilter = z.strictObject({
  set: listOf(header, MAX_ENTRIES).optional(),
  add: listOf(header, MAX_ENTRIES).optional(),
  remove: listOf(z.string(), MAX_ENTRIES).optional(),
});

const pathModifier = z.strictObject({
  type: z.enum(['ReplaceFullPath', 'ReplacePrefixMatch']),
  replaceFullPath: z.string().max(MAX_PATH).optional(),
  replacePrefixMatch: z.string().max(MAX_PATH).optional(),
});

const mirror = z.strictObject({
  backendRef: z.strictObject(backendRefFields),
  percent: between(0, 100).optional(),
  fraction: z
    .strictObject({
      numerator: between(0, 2 ** 31 - 1),
      denominator: between(1, 2 ** 31 - 1).optional(),
    })
    .optional(),
});

const STATUS_CODES: readonly number[] = [301, 302, 303, 307, 308];

const redirect = z.strictObject({
  scheme: z.enum(['http', 'https']).optional(),
  hostname: preciseHostname.optional(),
  path: pathModifier.optional(),
  port: portNumber.optional(),
  statusCode: z
    .int()
    .refine((code) => STATUS_CODES.includes(code), {
      error: `no redirect, want one of ${STATUS_CODES.join(', ')}`,
    })
    .optional(),
});

const ORIGIN = /^\*$|^[a-zA-Z][a-zA-Z0-9+\-.]+:\/\/[^:/?#]+(?::[0-9]{1,5})?$/;
const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
] as const;
const MAX_CORS = 64;

const cors = z.strictObject({
  allowOrigins: listOf(word(ORIGIN, 253, 'origin with scheme and host, or *'), MAX_CORS).optional(),
  allowCredentials: flag.optional(),
  allowMethods: listOf(z.enum([...METHODS, '*']), METHODS.length).optional(),
  allowHeaders: listOf(headerName, MAX_CORS).optional(),
  exposeHeaders: listOf(headerName, MAX_CORS).optional(),
  maxAge: between(1, 2 ** 31 - 1).optional(),
});

export const method: z.ZodType = z.enum(METHODS);

const bodies = {
  requestHeaderModifier: headerFilter.optional(),
  responseHeaderModifier: headerFilter.optional(),
  requestMirror: mirror.optional(),
  extensionRef: localRef.optional(),
} as const;

export const grpcFilter: z.ZodType = z.strictObject({
  type: z.enum([
    'RequestHeaderModifier',
    'ResponseHeaderModifier',
    'RequestMirror',
    'ExtensionRef',
  ]),
  ...bodies,
});

export const httpFilter: z.ZodType = z.strictObject({
  type: z.enum([
    'RequestHeaderModifier',
    'ResponseHeaderModifier',
    'RequestMirror',
    'RequestRedirect',
    'URLRewrite',
    'CORS',
    'ExternalAuth',
    'ExtensionRef',
  ]),
  ...bodies,
  requestRedirect: redirect.optional(),
  urlRewrite: z
    .strictObject({ hostname: preciseHostname.optional(), path: pathModifier.optional() })
    .optional(),
  cors: cors.optional(),
  externalAuth: anyMap.optional(),
});

const BODY_OF: Readonly<Record<RouteFilter['type'], keyof RouteFilter>> = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  CORS: 'cors',
  ExternalAuth: 'externalAuth',
  ExtensionRef: 'extensionRef',
};

/** A filter has the body of its type and no other. */
function checkBody(filter: RouteFilter, path: string, faults: Faults): void {
  const wanted = BODY_OF[filter.type];
  if (filter[wanted] === undefined)
    faults.error(path, `a filter of type ${filter.type} needs ${wanted}, and has none`);
  for (const body of Object.values(BODY_OF))
    if (body !== wanted && filter[body] !== undefined)
      faults.error(path, `${body} stands in a filter of type ${filter.type}, want ${wanted} alone`);
}

function checkPathModifier(modifier: PathModifier | undefined, path: string, faults: Faults): void {
  if (modifier === undefined) return;
  const fields: Readonly<Record<PathModifier['type'], string>> = {
    ReplaceFullPath: 'replaceFullPath',
    ReplacePrefixMatch: 'replacePrefixMatch',
  };
  const given = modifier as Readonly<Record<string, unknown>>;
  for (const [type, field] of Object.entries(fields)) {
    if (type === modifier.type && given[field] === undefined)
      faults.error(path, `type ${type} needs ${field}, and has none`);
    if (type !== modifier.type && given[field] !== undefined)
      faults.error(path, `${field} stands beside type ${modifier.type}, want type ${type}`);
  }
}

/** `*` is everything, so nothing can stand beside it. */
function checkStar(values: readonly string[] | undefined, path: string, faults: Faults): void {
  if (values !== undefined && values.length > 1 && values.includes('*'))
    faults.error(path, `'*' stands beside ${values.length - 1} others, want it alone`);
  checkUnique(values, path, faults);
}

function checkHeaders(
  modifier: RouteFilter['requestHeaderModifier'],
  path: string,
  faults: Faults,
): void {
  checkUniqueNames(modifier?.set, `${path}.set`, faults);
  checkUniqueNames(modifier?.add, `${path}.add`, faults);
  checkUnique(modifier?.remove, `${path}.remove`, faults);
}

function checkMirror(given: RouteFilter['requestMirror'], path: string, faults: Faults): void {
  if (given === undefined) return;
  checkBackendRef(given.backendRef, `${path}.backendRef`, faults);
  if (given.percent !== undefined && given.fraction !== undefined)
    faults.error(path, 'percent and fraction are both given, want one of them');
  const { numerator = 0, denominator = 100 } = given.fraction ?? {};
  if (numerator > denominator)
    faults.error(
      `${path}.fraction`,
      `numerator ${numerator} is greater than denominator ${denominator}`,
    );
}

function checkFilter(filter: RouteFilter, path: string, faults: Faults): void {
  checkBody(filter, path, faults);
  checkHeaders(filter.requestHeaderModifier, `${path}.requestHeaderModifier`, faults);
  checkHeaders(filter.responseHeaderModifier, `${path}.responseHeaderModifier`, faults);
  checkMirror(filter.requestMirror, `${path}.requestMirror`, faults);
  checkPathModifier(filter.requestRedirect?.path, `${path}.requestRedirect.path`, faults);
  checkPathModifier(filter.urlRewrite?.path, `${path}.urlRewrite.path`, faults);
  checkStar(filter.cors?.allowOrigins, `${path}.cors.allowOrigins`, faults);
  checkStar(filter.cors?.allowMethods, `${path}.cors.allowMethods`, faults);
  checkStar(filter.cors?.allowHeaders, `${path}.cors.allowHeaders`, faults);
}

/** These stand at most once in a list. */
const SINGLE: readonly RouteFilter['type'][] = [
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestRedirect',
  'URLRewrite',
  'CORS',
  'ExternalAuth',
];

export function checkFilters(
  filters: readonly RouteFilter[] | undefined,
  path: string,
  faults: Faults,
): void {
  const types = (filters ?? []).map(({ type }) => type);
  for (const [index, filter] of (filters ?? []).entries())
    checkFilter(filter, `${path}[${index}]`, faults);
  for (const type of SINGLE)
    if (types.filter((one) => one === type).length > 1)
      faults.error(path, `filter ${type} is repeated, want it at most once`);
  if (types.includes('RequestRedirect') && types.includes('URLRewrite'))
    faults.error(path, 'RequestRedirect and URLRewrite are both given, want one of them');
}

export function replacesPrefix(filters: readonly RouteFilter[] | undefined): boolean {
  return (filters ?? []).some(
    ({ requestRedirect, urlRewrite }) =>
      requestRedirect?.path?.type === 'ReplacePrefixMatch' ||
      urlRewrite?.path?.type === 'ReplacePrefixMatch',
  );
}

/** A prefix can be replaced only where it is plain which one. */
export function hasOnePrefix(matches: readonly HttpRouteMatch[] | undefined): boolean {
  const given = matches === undefined || matches.length === 0 ? [{}] : matches;
  const [only]: readonly HttpRouteMatch[] = given;
  return given.length === 1 && (only?.path?.type ?? 'PathPrefix') === 'PathPrefix';
}
