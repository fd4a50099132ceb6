/** IST0130, IST0131, LAT0106: the first match wins, so what an earlier rule takes no later one gets. */
import { canonicalJson } from '../../lib/canonical-json.ts';
import type {
  ConnectionRule,
  HttpMatch,
  HttpRoute,
  Resource,
  VirtualServiceSpec,
} from '../../model/api.ts';
import { matchCovers } from './match-cover.ts';
import type { Analyser, Finding } from './mesh.ts';

interface Seen {
  readonly rule: number;
  readonly match: HttpMatch;
  /** Two of equal text are the same match. */
  readonly text: string;
  /** The same without its uri. */
  readonly rest: string;
}

function seenOf(rule: number, match: HttpMatch): Seen {
  const { name: _name, statPrefix: _statPrefix, ...conditions } = match;
  const { uri: _uri, ...rest } = conditions;
  return { rule, match, text: canonicalJson(conditions), rest: canonicalJson(rest) };
}

/** What Istio's own analysis sees: a match that stood before, or a longer prefix behind a shorter one. */
function isPlainlyCovered(before: Seen, own: Seen): boolean {
  if (before.text === own.text) return true;
  const [wide, narrow] = [before.match.uri?.prefix, own.match.uri?.prefix];
  return (
    before.rule !== own.rule &&
    before.rest === own.rest &&
    wide !== undefined &&
    narrow?.startsWith(wide) === true
  );
}

const REMEDY = 'remove the rule, or move it before the one that takes its requests';

const unreachable = (path: string, message: string): Finding => ({
  code: 'IST0130',
  level: 'warning',
  path,
  message,
  remedy: REMEDY,
});

const ineffective = (path: string, rule: number): Finding => ({
  code: 'IST0131',
  level: 'info',
  path,
  message: `without effect: rule ${rule} takes these requests first`,
  remedy: 'remove the match, or move the rule before the other',
});

const hidden = (path: string, rules: readonly number[]): Finding => ({
  code: 'LAT0106',
  level: 'warning',
  path,
  message: `never reached: all its requests are taken by rule ${[...new Set(rules)].join(' and ')} before it`,
  remedy: REMEDY,
});

/** A rule with matches, behind others with matches. */
function judge(own: readonly Seen[], before: readonly Seen[], path: string): Finding[] {
  const plain = own.map((seen, index) =>
    [...before, ...own.slice(0, index)].find((earlier) => isPlainlyCovered(earlier, seen)),
  );
  const findings = plain.flatMap((earlier, index) =>
    earlier === undefined ? [] : [ineffective(`${path}.match[${index}]`, earlier.rule)],
  );
  const isRepeated = own.every(({ text }) => before.some((earlier) => earlier.text === text));
  if (isRepeated)
    return [
      unreachable(path, 'never reached: each of its matches stands in a rule before it'),
      ...findings,
    ];
  if (findings.length === own.length) return findings;
  const takers = own.map(
    ({ match }) => before.find((earlier) => matchCovers(earlier.match, match))?.rule,
  );
  const isHidden = takers.every((rule) => rule !== undefined);
  return isHidden ? [...findings, hidden(path, takers)] : findings;
}

function analyseHttp(rules: readonly HttpRoute[]): Finding[] {
  const before: Seen[] = [];
  let openAt: number | undefined;
  return rules.flatMap((route, rule): Finding[] => {
    const path = `spec.http[${rule}]`;
    if (openAt !== undefined)
      return [unreachable(path, `never reached: rule ${openAt} before it takes every request`)];
    const own = (route.match ?? []).map((match) => seenOf(rule, match));
    const findings = own.length === 0 ? [] : judge(own, before, path);
    // What a root hands on is only taken where a rule of the delegate takes it.
    if (route.delegate !== undefined) return findings;
    if (own.length === 0) openAt = rule;
    before.push(...own);
    return findings;
  });
}

function analyseTcp(rules: readonly ConnectionRule[]): Finding[] {
  const openAt = rules.findIndex(({ match }) => match === undefined || match.length === 0);
  if (openAt < 0) return [];
  return rules
    .slice(openAt + 1)
    .map((_, index) =>
      unreachable(
        `spec.tcp[${openAt + 1 + index}]`,
        `never reached: rule ${openAt} before it takes every connection`,
      ),
    );
}

export const analyseRules: Analyser = (resource) => {
  const { spec } = resource as Resource<VirtualServiceSpec>;
  return [...analyseHttp(spec.http ?? []), ...analyseTcp(spec.tcp ?? [])];
};
