/** Header operations of routes and destinations: remove, then set, then add. */
import type { HeaderBlock } from '../model/head.ts';
import type { HeaderOps, Route } from '../model/snapshot.ts';
import type { EngineExchange } from './exchange.ts';
import { renderTemplate } from './template.ts';

export function applyHeaderOps(
  x: EngineExchange,
  head: HeaderBlock,
  ops: HeaderOps | undefined,
): void {
  if (ops === undefined) return;
  if (ops.remove !== undefined) for (const name of ops.remove) head.remove(name);
  if (ops.set !== undefined)
    for (const { name, value } of ops.set) {
      const text = renderTemplate(x, value);
      // Envoy doesn't send a header whose value came out empty.
      if (text !== '') head.set(name, text);
    }
  if (ops.add !== undefined)
    for (const { name, value } of ops.add) {
      const text = renderTemplate(x, value);
      if (text !== '') head.add(name, text);
    }
}

/**
 * With one destination its operations come behind the route's, so the destination's set wins;
 * with several Envoy applies the destination's first, so the route's does (the Gateway API wants it the other way).
 */
export function applyRouteHeaders(
  x: EngineExchange,
  head: HeaderBlock,
  side: 'requestHeaders' | 'responseHeaders',
): void {
  const { route, destination } = x;
  const action = route?.action;
  const isRouteFirst =
    action?.kind === 'forward' &&
    (action.destinationHeadersLast === true || action.destinations.length === 1);
  if (route !== undefined && isRouteFirst) {
    applyHeaderOps(x, head, opsOf(route, side));
    applyHeaderOps(x, head, opsOf(destination, side));
  } else {
    applyHeaderOps(x, head, opsOf(destination, side));
    applyHeaderOps(x, head, opsOf(route, side));
  }
}

type Sides = Pick<Route, 'requestHeaders' | 'responseHeaders'>;

/** By two names: one that is computed is looked up anew for each request. */
function opsOf(subject: Sides | undefined, side: keyof Sides): HeaderOps | undefined {
  return side === 'requestHeaders' ? subject?.requestHeaders : subject?.responseHeaders;
}
