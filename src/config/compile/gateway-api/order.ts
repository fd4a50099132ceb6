/** Which of several matches counts first: by what they ask for, then by the age and name of their route. */
import type { Route } from '../../../model/snapshot.ts';

/** Smaller stands first, entry by entry. */
export type Rank = readonly number[];

export interface RankedRoute {
  readonly route: Route;
  readonly rank: Rank;
  /** Routes come oldest first, and rules and matches as they are written. */
  readonly order: number;
}

/** Regular expressions stand behind every prefix, as Istio puts them. */
const PATH_TYPES = { exact: 0, prefix: 1, regex: 2 } as const;

export interface HttpRankInput {
  readonly pathType: keyof typeof PATH_TYPES;
  readonly pathLength: number;
  readonly hasMethod: boolean;
  readonly headers: number;
  readonly queries: number;
}

/** Exact path, longest path, method, most headers, most query parameters. */
export function httpRank(match: HttpRankInput): Rank {
  return [
    PATH_TYPES[match.pathType],
    -match.pathLength,
    match.hasMethod ? 0 : 1,
    -match.headers,
    -match.queries,
  ];
}

/** Longest service, longest method, most headers; exact before regular expression. */
export function grpcRank(match: {
  readonly isRegex: boolean;
  readonly service: string;
  readonly method: string;
  readonly headers: number;
}): Rank {
  return [
    match.isRegex ? PATH_TYPES.regex : PATH_TYPES.exact,
    -match.service.length,
    -match.method.length,
    -match.headers,
  ];
}

export function byPrecedence(a: RankedRoute, b: RankedRoute): number {
  for (const [index, value] of a.rank.entries()) {
    const difference = value - (b.rank[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.order - b.order;
}
