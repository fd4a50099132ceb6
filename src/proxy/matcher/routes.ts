/**
 * First match among the routes of a virtual host.
 *
 * Exact paths and prefixes live in a trie; what a trie can't hold (regex, any path, ignored case) is the residue.
 * Both give candidates by index, and the lowest index whose other conditions hold is the one that a walk through
 * the list would have found first.
 */
import { PathTrie } from '../../lib/path-trie.ts';
import { PER_STEP, finish } from '../../lib/steps.ts';
import type { Steps } from '../../lib/steps.ts';
import type { Exchange } from '../../model/exchange.ts';
import type { Route } from '../../model/snapshot.ts';
import type { Condition } from './conditions.ts';
import { linkConditions } from './conditions.ts';

interface LinkedRoute {
  readonly route: Route;
  /** What is left to test when the trie named it; undefined = nothing. */
  readonly condition: Condition | undefined;
}

export interface RouteMatcher {
  match(x: Exchange): Route | undefined;
}

/** Candidates of one lookup; reused, since a lookup never waits. */
const candidates: number[] = [];

export function linkRoutes(routes: readonly Route[]): RouteMatcher {
  return finish(routeSteps(routes));
}

export function* routeSteps(routes: readonly Route[]): Steps<RouteMatcher> {
  const trie = new PathTrie();
  const residue: number[] = [];
  const linked: LinkedRoute[] = [];
  for (const [index, route] of routes.entries()) {
    if (index % PER_STEP === PER_STEP - 1) yield;
    const found = addToTrie(trie, route, index);
    if (found === 'residue') residue.push(index);
    linked.push({ route, condition: linkConditions(route.match, found !== 'decided') });
  }
  return matcherOf(trie, residue, linked);
}

function matcherOf(
  trie: PathTrie,
  residue: readonly number[],
  linked: readonly LinkedRoute[],
): RouteMatcher {
  return {
    match(x) {
      if (x.trace !== undefined) return explainMatch(linked, x);
      const count = trie.collect(x.path, candidates);
      if (count > 1) sortFirst(candidates, count);
      let r = 0;
      let c = 0;
      while (c < count || r < residue.length) {
        const fromTrie = c < count ? (candidates[c] as number) : Infinity;
        const fromResidue = r < residue.length ? (residue[r] as number) : Infinity;
        const index = fromTrie < fromResidue ? fromTrie : fromResidue;
        if (index === fromTrie) c++;
        else r++;
        const { route, condition } = linked[index] as LinkedRoute;
        if (condition === undefined || condition.holds(x)) return route;
      }
      return undefined;
    },
  };
}

/** `decided`: the trie's answer is the path's; `candidate`: the path must still be tested. */
function addToTrie(
  trie: PathTrie,
  route: Route,
  index: number,
): 'decided' | 'candidate' | 'residue' {
  const { path } = route.match;
  if (
    path === undefined ||
    path.kind === 'regex' ||
    path.kind === 'present' ||
    path.kind === 'suffix'
  )
    return 'residue';
  if (path.kind === 'segment-prefix') {
    trie.addPrefix(path.value.endsWith('/') ? path.value.slice(0, -1) : path.value, index);
    return 'candidate';
  }
  if (path.ignoreCase === true) return 'residue';
  if (path.kind === 'prefix') trie.addPrefix(path.value, index);
  else trie.addExact(path.value, index);
  return 'decided';
}

/** Insertion sort: a path has few candidates, and they come nearly sorted. */
function sortFirst(values: number[], count: number): void {
  for (let i = 1; i < count; i++) {
    const value = values[i] as number;
    let j = i - 1;
    while (j >= 0 && (values[j] as number) > value) {
      values[j + 1] = values[j] as number;
      j--;
    }
    values[j + 1] = value;
  }
}

/** The slow walk through the list, which says why each route before the match didn't. */
function explainMatch(linked: readonly LinkedRoute[], x: Exchange): Route | undefined {
  for (const [index, { route }] of linked.entries()) {
    const condition = linkConditions(route.match, true);
    const isTaken = condition === undefined || condition.holds(x);
    x.trace?.push({
      step: 'route',
      name: route.name ?? `route ${index}`,
      outcome: isTaken ? 'matched' : 'not-matched',
      ...(isTaken ? {} : { detail: condition.why(x) }),
      origin: route.origin,
    });
    if (isTaken) return route;
  }
  return undefined;
}
