/** Retries and timeouts that do something else than their writer may think. */
import { parseDuration } from '../../lib/duration.ts';
import type { HttpRoute, Resource, VirtualServiceSpec } from '../../model/api.ts';
import type { Analyser, Finding } from './mesh.ts';

/** Conditions that an edge runtime can see in a response. */
const VISIBLE = /5xx|gateway-error|retriable|envoy-ratelimited|\b[45]\d\d\b/;

function edgeFinding({ retries }: HttpRoute, path: string): Finding[] {
  const { attempts, retryOn } = retries ?? {};
  if (attempts === undefined || attempts === 0 || retryOn === undefined) return [];
  if (VISIBLE.test(retryOn)) return [];
  return [
    {
      code: 'LAT0104',
      level: 'info',
      path: `${path}.retries.retryOn`,
      message: `"${retryOn}" names failures of the connection alone: an edge runtime can't tell them from others, so gateway workers repeat only idempotent requests`,
      remedy: 'nothing, or add conditions on responses as 5xx',
    },
  ];
}

function timeoutFinding({ retries, timeout }: HttpRoute, path: string): Finding[] {
  const wholeMs = parseDuration(timeout ?? '');
  const tryMs = parseDuration(retries?.perTryTimeout ?? '');
  const tries = (retries?.attempts ?? 0) + 1;
  if (wholeMs === undefined || wholeMs === 0 || tryMs === undefined || tries < 2) return [];
  if (tryMs * tries <= wholeMs) return [];
  return [
    {
      code: 'LAT0105',
      level: 'info',
      path: `${path}.timeout`,
      message: `${tries} tries of ${retries?.perTryTimeout ?? ''} don't fit into ${timeout ?? ''}: the last of them are cut short or never made`,
      remedy: 'a longer timeout, fewer attempts or a shorter perTryTimeout',
    },
  ];
}

/** After these the request was provably not executed. */
const HARMLESS: ReadonlySet<string> = new Set([
  'connect-failure',
  'refused-stream',
  'reset-before-request',
  'http3-post-connect-failure',
  'envoy-ratelimited',
]);
const NOT_IDEMPOTENT = ['POST', 'PATCH'] as const;

/** Methods of the rule that must not be executed twice; `isNamed` = a match asks for one. */
function repeatedMethods({ match = [] }: HttpRoute): { methods: string[]; isNamed: boolean } {
  const given = match.length === 0 ? [{}] : match;
  const takes = (name: string): boolean =>
    given.some(({ method }) => {
      if (method === undefined) return true;
      if (method.exact !== undefined) return method.exact === name;
      return method.prefix === undefined ? true : name.startsWith(method.prefix);
    });
  return {
    methods: NOT_IDEMPOTENT.filter((name) => takes(name)),
    isNamed: given.some(({ method }) => method?.exact !== undefined && takes(method.exact)),
  };
}

/** Conditions that somebody wrote hold for every method. */
function repeatFinding(route: HttpRoute, path: string): Finding[] {
  const { attempts = 0, retryOn = '' } = route.retries ?? {};
  const risky = retryOn.split(',').filter((word) => word !== '' && !HARMLESS.has(word));
  const { methods, isNamed } = repeatedMethods(route);
  if (attempts === 0 || risky.length === 0 || methods.length === 0) return [];
  return [
    {
      code: 'LAT0112',
      level: isNamed ? 'warning' : 'info',
      path: `${path}.retries.retryOn`,
      message: `${methods.join(' and ')} is repeated on ${risky.join(', ')}, although the first try may have been executed: an order may be placed twice`,
      remedy: 'give writing methods a rule of their own without these conditions',
    },
  ];
}

export const analyseRetries: Analyser = (resource) => {
  const { spec } = resource as Resource<VirtualServiceSpec>;
  return (spec.http ?? []).flatMap((route, index) => {
    const path = `spec.http[${index}]`;
    return [
      ...edgeFinding(route, path),
      ...timeoutFinding(route, path),
      ...repeatFinding(route, path),
    ];
  });
};
