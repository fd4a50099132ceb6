/** What the webhook asks of one http rule. */
import { grpcStatusNames } from '../../lib/grpc-status.ts';
import { parseDuration } from '../../lib/duration.ts';
import type {
  CorsPolicySpec,
  HttpFault,
  HttpMatch,
  HttpRedirect,
  HttpRetry,
  HttpRoute,
  Percent,
} from '../../model/api.ts';
import {
  checkDuration,
  checkHeaderName,
  checkPort,
  checkRegex,
  checkStringMatch,
} from '../checks.ts';
import type { Faults } from '../define.ts';
import { checkDestination } from './destination-checks.ts';
import { checkHeaderOperations } from './header-checks.ts';

export interface RouteContext {
  readonly faults: Faults;
  readonly isDelegate: boolean;
  readonly appliesToMesh: boolean;
  readonly appliesToGateway: boolean;
}

const METHODS = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  '*',
]);
const RETRY_ON = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);
/** As protobuf reads it from JSON: both alphabets, and the padding may be left out. */
const BASE64 = /^(?:[-\w+/]{4})*(?:[-\w+/]{2}(?:==)?|[-\w+/]{3}=?)?$/;
const REDIRECT_CODES = new Set([301, 302, 303, 307, 308]);

function checkPercent(value: Percent | undefined, path: string, faults: Faults): void {
  const number = value?.value ?? 0;
  if (number < 0 || number > 100)
    faults.error(path, `percentage ${number} is out of range, want 0 to 100`);
}

function checkHeaderMatches(match: HttpMatch, path: string, context: RouteContext): void {
  const { faults } = context;
  for (const field of ['headers', 'withoutHeaders'] as const)
    for (const [name, value] of Object.entries(match[field] ?? {})) {
      const at = `${path}.${field}.${name}`;
      if (name.toLowerCase().startsWith('@request.auth.claims')) {
        if (context.appliesToMesh && !context.isDelegate)
          faults.error(
            `${path}.${field}`,
            `JWT claim match ${name} is for gateways only, not for mesh`,
          );
      } else if (!name.startsWith(':')) checkHeaderName(name, `${path}.${field}`, faults);
      if (value.prefix === '') faults.error(at, 'an empty prefix matches everything, want text');
      if (value.regex === '*' && field === 'headers')
        faults.error(at, 'regex * repeats nothing, want .*');
      else if (value.regex !== '*') checkStringMatch(value, at, faults);
    }
}

function checkMatch(match: HttpMatch, path: string, context: RouteContext): void {
  const { faults } = context;
  for (const field of ['uri', 'scheme', 'method', 'authority'] as const) {
    const value = match[field];
    checkStringMatch(value, `${path}.${field}`, faults);
    if (field !== 'uri' && value?.prefix === '')
      faults.error(`${path}.${field}`, `${field} has an empty prefix, want text`);
  }
  checkHeaderMatches(match, path, context);
  for (const [name, value] of Object.entries(match.queryParams ?? {})) {
    if (name === '') faults.error(`${path}.queryParams`, 'a query parameter has no name');
    if (value.prefix === '')
      faults.error(`${path}.queryParams.${name}`, 'an empty prefix matches everything');
    if (value.regex !== '*') checkStringMatch(value, `${path}.queryParams.${name}`, faults);
  }
  checkPort(match.port === 0 ? undefined : match.port, `${path}.port`, faults);
}

function checkRedirect(
  redirect: HttpRedirect,
  route: HttpRoute,
  path: string,
  faults: Faults,
): void {
  const at = `${path}.redirect`;
  if (
    [redirect.uri, redirect.authority, redirect.scheme, redirect.prefixRewrite].every(
      (field) => field === undefined || field === '',
    ) &&
    redirect.redirectCode === undefined &&
    redirect.port === undefined &&
    redirect.derivePort === undefined
  )
    faults.error(at, 'redirect changes nothing: want uri, authority, scheme or port');
  if (redirect.redirectCode !== undefined && !REDIRECT_CODES.has(redirect.redirectCode))
    faults.error(
      `${at}.redirectCode`,
      `redirect code ${redirect.redirectCode} is none of 301, 302, 303, 307, 308`,
    );
  if (
    redirect.scheme !== undefined &&
    redirect.scheme !== '' &&
    redirect.scheme !== 'http' &&
    redirect.scheme !== 'https'
  )
    faults.error(`${at}.scheme`, `redirect scheme ${redirect.scheme} is none of http, https`);
  checkPort(redirect.port, `${at}.port`, faults);
  if (redirect.prefixRewrite !== undefined) {
    if (redirect.uri !== undefined)
      faults.error(at, 'redirect has uri and prefixRewrite, want one');
    const prefixed =
      route.match?.every((match) => match.uri === undefined || match.uri.prefix !== undefined) ??
      true;
    if (!prefixed)
      faults.error(`${at}.prefixRewrite`, 'prefixRewrite needs a uri prefix match in every match');
  }
}

function checkRetries(retries: HttpRetry, path: string, faults: Faults): void {
  const attempts = retries.attempts ?? 0;
  if (attempts < 0) faults.error(`${path}.attempts`, `attempts ${attempts} is negative`);
  const others = [
    retries.perTryTimeout,
    retries.retryOn,
    retries.retryRemoteLocalities,
    retries.backoff,
  ];
  if (
    attempts === 0 &&
    others.some((field) => field !== undefined && field !== '' && field !== false)
  )
    faults.error(path, 'retries with attempts 0 are off, other fields need attempts');
  checkDuration(retries.perTryTimeout, `${path}.perTryTimeout`, faults);
  checkDuration(retries.backoff, `${path}.backoff`, faults);
  if (retries.retryOn === undefined || retries.retryOn === '') return;
  for (const word of retries.retryOn.split(',')) {
    const code = Number(word);
    if (!RETRY_ON.has(word) && !(/^\d{3}$/.test(word) && code >= 100 && code <= 599))
      faults.error(
        `${path}.retryOn`,
        `retryOn ${JSON.stringify(word)} is no condition or status code (no spaces around commas)`,
      );
  }
}

function checkFault(fault: HttpFault, path: string, faults: Faults): void {
  const { delay, abort } = fault;
  if (delay === undefined && abort === undefined) faults.error(path, 'fault needs delay or abort');
  if (delay !== undefined) {
    if (delay.exponentialDelay !== undefined)
      faults.error(`${path}.delay.exponentialDelay`, 'exponentialDelay is not supported');
    else if (delay.fixedDelay === undefined)
      faults.error(`${path}.delay`, 'delay needs a fixedDelay');
    checkDuration(delay.fixedDelay, `${path}.delay.fixedDelay`, faults);
    checkPercent(delay.percentage, `${path}.delay.percentage`, faults);
    if ((delay.percent ?? 0) < 0 || (delay.percent ?? 0) > 100)
      faults.error(`${path}.delay.percent`, 'percent is out of range, want 0 to 100');
  }
  if (abort === undefined) return;
  checkPercent(abort.percentage, `${path}.abort.percentage`, faults);
  if (abort.http2Error !== undefined)
    faults.error(`${path}.abort.http2Error`, 'HTTP/2 errors (http2Error) are not supported');
  else if (abort.grpcStatus !== undefined) {
    if (!grpcStatusNames.includes(abort.grpcStatus))
      faults.error(
        `${path}.abort.grpcStatus`,
        `grpcStatus ${abort.grpcStatus} is no gRPC status name in upper case`,
      );
  } else if (abort.httpStatus !== undefined && (abort.httpStatus < 200 || abort.httpStatus > 600))
    faults.error(
      `${path}.abort.httpStatus`,
      `status ${abort.httpStatus} is out of range, want 200 to 600`,
    );
}

function checkCors(cors: CorsPolicySpec, path: string, faults: Faults): void {
  for (const [index, origin] of (cors.allowOrigins ?? []).entries()) {
    const at = `${path}.allowOrigins[${index}]`;
    const value = origin.exact ?? origin.prefix ?? origin.regex;
    if (value === undefined || value === '')
      faults.error(at, 'allowOrigins entry is empty, want exact, prefix or regex');
    else checkStringMatch(origin, at, faults);
  }
  for (const [index, method] of (cors.allowMethods ?? []).entries())
    if (!METHODS.has(method))
      faults.error(
        `${path}.allowMethods[${index}]`,
        `method ${JSON.stringify(method)} is not supported for CORS`,
      );
  for (const field of ['allowHeaders', 'exposeHeaders'] as const)
    for (const [index, name] of (cors[field] ?? []).entries())
      if (name !== '*') checkHeaderName(name, `${path}.${field}[${index}]`, faults);
  const maxAge = cors.maxAge === undefined ? 0 : (parseDuration(cors.maxAge) ?? 0);
  if (maxAge % 1000 !== 0)
    faults.error(
      `${path}.maxAge`,
      `maxAge ${cors.maxAge ?? ''} is finer than seconds, want whole seconds`,
    );
  if (maxAge < 0) faults.error(`${path}.maxAge`, 'duration is negative');
}

function checkRewrite(route: HttpRoute, path: string, faults: Faults): void {
  const { rewrite } = route;
  if (rewrite === undefined) return;
  const at = `${path}.rewrite`;
  const { uri, authority, uriRegexRewrite } = rewrite;
  if (uriRegexRewrite !== undefined) {
    if (uri !== undefined && uri !== '')
      faults.error(at, 'rewrite has uri and uriRegexRewrite, want one');
    if ((uriRegexRewrite.match ?? '') === '' || (uriRegexRewrite.rewrite ?? '') === '')
      faults.error(`${at}.uriRegexRewrite`, 'uriRegexRewrite needs match and rewrite');
    else checkRegex(uriRegexRewrite.match ?? '', `${at}.uriRegexRewrite.match`, faults);
  } else if ((uri ?? '') === '' && (authority ?? '') === '')
    faults.error(at, 'rewrite changes nothing: want uri, uriRegexRewrite or authority');
}

/** Exactly one action, and what may stand beside it. */
function checkAction(route: HttpRoute, path: string, context: RouteContext): void {
  const { faults } = context;
  const has = (field: keyof HttpRoute): boolean => route[field] !== undefined;
  const hasRoute = (route.route?.length ?? 0) > 0;
  if (route.delegate !== undefined) {
    if (context.isDelegate) faults.error(`${path}.delegate`, 'a delegate can not delegate again');
    for (const field of ['redirect', 'directResponse'] as const)
      if (has(field)) faults.error(`${path}.${field}`, `${field} can not stand beside delegate`);
    if (hasRoute) faults.error(`${path}.route`, 'route can not stand beside delegate');
    return;
  }
  if (has('redirect')) {
    if (hasRoute) faults.error(path, 'redirect and route exclude each other');
    if (has('directResponse')) faults.error(path, 'redirect and directResponse exclude each other');
    for (const field of ['fault', 'rewrite'] as const)
      if (has(field)) faults.error(`${path}.${field}`, `${field} can not stand beside redirect`);
  } else if (has('directResponse')) {
    if (hasRoute) faults.error(path, 'directResponse and route exclude each other');
    for (const field of ['fault', 'rewrite'] as const)
      if (has(field))
        faults.error(`${path}.${field}`, `${field} can not stand beside directResponse`);
  } else if (!hasRoute)
    faults.error(path, 'a rule needs route, redirect, directResponse or delegate');
}

function checkTargets(route: HttpRoute, path: string, faults: Faults): void {
  if (route.mirrorPercent !== undefined)
    faults.warn(`${path}.mirrorPercent`, 'mirrorPercent is deprecated: use mirrorPercentage');
  const targets = route.route ?? [];
  let total = 0;
  for (const [index, target] of targets.entries()) {
    const at = `${path}.route[${index}]`;
    checkDestination(target.destination, `${at}.destination`, faults);
    checkHeaderOperations(target.headers, at, faults);
    const weight = target.weight ?? 0;
    if (weight < 0) faults.error(`${at}.weight`, `weight ${weight} is negative`);
    total += weight;
  }
  if (targets.length > 1 && total === 0)
    faults.error(`${path}.route`, 'total of the weights is 0, want one above');
  checkDestinations(route, path, faults);
}

function checkDestinations(route: HttpRoute, path: string, faults: Faults): void {
  if (route.mirror !== undefined) {
    if (route.mirrors !== undefined && route.mirrors.length > 0)
      faults.error(path, 'mirror and mirrors exclude each other');
    checkDestination(route.mirror, `${path}.mirror`, faults);
  }
  checkPercent(route.mirrorPercentage, `${path}.mirrorPercentage`, faults);
  for (const [index, mirror] of (route.mirrors ?? []).entries()) {
    checkDestination(mirror.destination, `${path}.mirrors[${index}].destination`, faults);
    checkPercent(mirror.percentage, `${path}.mirrors[${index}].percentage`, faults);
  }
}

export function checkHttpRoute(route: HttpRoute, path: string, context: RouteContext): void {
  const { faults } = context;
  checkAction(route, path, context);
  for (const [index, match] of (route.match ?? []).entries())
    checkMatch(match, `${path}.match[${index}]`, context);
  checkTargets(route, path, faults);
  if (route.redirect !== undefined) checkRedirect(route.redirect, route, path, faults);
  const status = route.directResponse?.status;
  if (status !== undefined && (status < 200 || status > 600))
    faults.error(
      `${path}.directResponse.status`,
      `status ${status} is out of range, want 200 to 599`,
    );
  if (!BASE64.test(route.directResponse?.body?.bytes ?? ''))
    faults.error(
      `${path}.directResponse.body.bytes`,
      'bytes is not base64',
      'encode it, or put plain text under string',
    );
  checkRewrite(route, path, faults);
  checkDuration(route.timeout, `${path}.timeout`, faults);
  if (route.retries !== undefined) checkRetries(route.retries, `${path}.retries`, faults);
  if (route.fault !== undefined) checkFault(route.fault, `${path}.fault`, faults);
  if (route.corsPolicy !== undefined) checkCors(route.corsPolicy, `${path}.corsPolicy`, faults);
  checkHeaderOperations(route.headers, path, faults);
}
