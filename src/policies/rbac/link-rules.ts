/**
 * Rules as closures over values that the compile half resolved.
 * What can't be judged matches in DENY and doesn't in ALLOW; what is absent is judged: it doesn't match.
 */
import { linkCidrs } from '../../lib/cidr.ts';
import { linkTemplate } from '../../lib/path-template.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import { leadsTo, otherReading, singleReader, upperHex, valuesOf } from './attributes.ts';
import type { Attribute, CompiledAuthorization, CompiledRule, Test, TextMatch } from './config.ts';

/** Undefined = can't be judged. */
type Verdict = boolean | undefined;
type LinkedTest = (x: Exchange) => Verdict;

export type Action = 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM';

export interface LinkedPolicy {
  readonly name: string;
  readonly action: Action;
  readonly dryRun: boolean;
  readonly rules: readonly LinkedTest[];
  /** As Istio names each rule: `ns[shop]-policy[no-admin]-rule[0]`. */
  readonly ruleIds: readonly string[];
  /** What the rules were made of. */
  readonly compiled: readonly CompiledRule[];
}

function linkText(match: TextMatch): (text: string) => boolean {
  switch (match.kind) {
    case 'present':
      return (text) => text !== '';
    case 'template':
      return linkTemplate(match.value);
    case 'glob': {
      const { parts } = match;
      return (text) => globMatches(parts, text);
    }
    case 'pair': {
      const issuer = linkText(match.issuer);
      const subject = linkText(match.subject);
      return (text) => {
        const middle = text.indexOf('\0');
        return issuer(text.slice(0, middle)) && subject(text.slice(middle + 1));
      };
    }
    case 'exact':
    case 'prefix':
    case 'suffix':
      return linkPlain(match);
    default:
      return match satisfies never;
  }
}

function linkPlain(match: Extract<TextMatch, { value: string }>): (text: string) => boolean {
  const fold =
    match.ignoreCase === true
      ? (text: string): string => text.toLowerCase()
      : (text: string): string => text;
  const value = fold(match.value);
  if (match.kind === 'prefix') return (text) => fold(text).startsWith(value);
  if (match.kind === 'suffix') return (text) => fold(text).endsWith(value);
  return (text) => fold(text) === value;
}

/** Parts in order, the first at the start and the last at the end. */
function globMatches(parts: readonly string[], text: string): boolean {
  const [first = ''] = parts;
  if (parts.length === 1) return text === first;
  const last = parts.at(-1) ?? '';
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length)
    return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= text.length - last.length;
}

function linkAddresses(test: Test): LinkedTest {
  const inside = test.blocks === undefined ? undefined : linkCidrs(test.blocks);
  const outside = test.notBlocks === undefined ? undefined : linkCidrs(test.notBlocks);
  return (x) => {
    const values = valuesOf(x, test.attribute);
    if (values === 'undecidable') return undefined;
    const [ip] = values;
    if (ip === undefined) return inside === undefined;
    const isInside = inside?.(ip);
    const isOutside = outside?.(ip);
    if (
      (inside !== undefined && isInside === undefined) ||
      (outside !== undefined && isOutside === undefined)
    )
      return undefined;
    return isInside !== false && isOutside !== true;
  };
}

type TextTest = (text: string) => boolean;

function anyMatches(tests: readonly TextTest[], values: readonly string[]): boolean {
  for (const value of values) if (anyTakes(tests, value)) return true;
  return false;
}

function anyTakes(tests: readonly TextTest[], value: string): boolean {
  for (const matches of tests) if (matches(value)) return true;
  return false;
}

/** What another reading of a path is held against: encodings in upper case, as that has them. */
function linkOther({ attribute }: Test, matches: readonly TextMatch[] | undefined): TextTest[] {
  return (matches ?? []).map((match) =>
    linkText(
      attribute.of === 'path' && 'value' in match
        ? { ...match, value: upperHex(match.value) }
        : match,
    ),
  );
}

/** Is the one value, or another way to read it, among the matches? Undefined: in one reading and not in another. */
function linkTakes(
  test: Test,
  matches: readonly TextMatch[],
): (x: Exchange, value: string) => Verdict {
  const tests = matches.map((match) => linkText(match));
  const others = linkOther(test, matches);
  const isPath = test.attribute.of === 'path';
  return (x, value) => {
    if (value !== '' && anyTakes(tests, value)) {
      const place = isPath ? leadsTo(x) : undefined;
      return place === undefined || anyTakes(others, place) ? true : undefined;
    }
    const readings = otherReading(x, test.attribute);
    return readings !== undefined && anyMatches(others, readings) ? undefined : false;
  };
}

function linkSingle(test: Test, read: (x: Exchange) => string): LinkedTest {
  const wanted = test.values === undefined ? undefined : linkTakes(test, test.values);
  const unwanted = test.notValues === undefined ? undefined : linkTakes(test, test.notValues);
  return (x) => {
    const value = read(x);
    const isWanted = wanted === undefined || wanted(x, value);
    if (isWanted === false || unwanted === undefined) return isWanted;
    const isUnwanted = unwanted(x, value);
    return isUnwanted === true ? false : isUnwanted === false ? isWanted : undefined;
  };
}

/** Issuer and subject are compared where they stand, without a text made of both. */
function linkRequestPrincipal(match: TextMatch): (x: Exchange) => boolean {
  if (match.kind === 'pair') {
    const issuer = linkText(match.issuer);
    const subject = linkText(match.subject);
    return ({ identity }) =>
      identity !== undefined && issuer(identity.issuer) && subject(identity.subject);
  }
  const matches = linkText(match);
  return ({ identity }) =>
    identity !== undefined && matches(`${identity.issuer}\0${identity.subject}`);
}

function linkRequestPrincipals(test: Test): LinkedTest {
  const wanted = test.values?.map((match) => linkRequestPrincipal(match));
  const unwanted = test.notValues?.map((match) => linkRequestPrincipal(match));
  return (x) => {
    // Without both parts there is no principal, whatever the parts are.
    const isThere = x.identity !== undefined && x.identity.principal !== '';
    if (unwanted !== undefined && isThere)
      for (const matches of unwanted) if (matches(x)) return false;
    if (wanted === undefined) return true;
    if (isThere) for (const matches of wanted) if (matches(x)) return true;
    return false;
  };
}

export function linkTest(test: Test): LinkedTest {
  if (test.blocks !== undefined || test.notBlocks !== undefined) return linkAddresses(test);
  const read = singleReader(test.attribute);
  if (read !== undefined) {
    const judge = linkSingle(test, read);
    return test.attribute.of === 'principal'
      ? (x) => (x.peer.isUnreadable === true ? undefined : judge(x))
      : judge;
  }
  if (test.attribute.of === 'requestPrincipal') return linkRequestPrincipals(test);
  const wanted = test.values?.map((match) => linkText(match));
  const unwanted = test.notValues?.map((match) => linkText(match));
  return (x) => {
    const values = valuesOf(x, test.attribute);
    if (values === 'undecidable') return undefined;
    const other = otherReading(x, test.attribute);
    if (unwanted !== undefined) {
      if (anyMatches(unwanted, values)) return false;
      if (other !== undefined && anyMatches(unwanted, other)) return undefined;
    }
    if (wanted === undefined || anyMatches(wanted, values)) return true;
    return other !== undefined && anyMatches(wanted, other) ? undefined : false;
  };
}

function all(tests: readonly LinkedTest[]): LinkedTest {
  return (x) => {
    let verdict: Verdict = true;
    for (const test of tests) {
      const result = test(x);
      if (result === false) return false;
      if (result === undefined) verdict = undefined;
    }
    return verdict;
  };
}

function any(tests: readonly LinkedTest[]): LinkedTest {
  return (x) => {
    let verdict: Verdict = false;
    for (const test of tests) {
      const result = test(x);
      if (result === true) return true;
      if (result === undefined) verdict = undefined;
    }
    return verdict;
  };
}

function linkRule(rule: CompiledRule): LinkedTest {
  const parts: LinkedTest[] = [];
  for (const lists of [rule.sources, rule.operations])
    if (lists.length > 0)
      parts.push(any(lists.map((tests) => all(tests.map((test) => linkTest(test))))));
  return all([...parts, ...rule.conditions.map((test) => linkTest(test))]);
}

export function linkPolicy(policy: CompiledAuthorization, action: Action): LinkedPolicy {
  const { name } = policy;
  const slash = name.indexOf('/');
  const id = `ns[${name.slice(0, slash)}]-policy[${name.slice(slash + 1)}]`;
  return {
    name,
    ruleIds: policy.rules.map((_, index) => `${id}-rule[${index}]`),
    action,
    dryRun: policy.dryRun,
    rules: policy.rules.map((rule) => linkRule(rule)),
    compiled: policy.rules,
  };
}

/** Number of the first rule that holds, -1 = none; `undecided` is what can't be judged counted as. */
export function matchingRule(policy: LinkedPolicy, x: Exchange, undecided: boolean): number {
  const { rules } = policy;
  for (let i = 0; i < rules.length; i++) if ((rules[i] as LinkedTest)(x) ?? undecided) return i;
  return -1;
}

/** Attributes that a connection has without anything being read from it. */
const OF_CONNECTIONS: ReadonlySet<Attribute['of']> = new Set<Attribute['of']>([
  'principal',
  'namespace',
  'serviceAccount',
  'trustDomain',
  'sourceIp',
  'remoteIp',
  'destinationIp',
  'port',
  'sni',
]);

const isOfConnection = ({ attribute }: Test): boolean => OF_CONNECTIONS.has(attribute.of);

/** A rule without what only HTTP has: wider than it was. */
export function withoutHttp(rule: CompiledRule): CompiledRule {
  const keep = (tests: readonly Test[]): Test[] => tests.filter((test) => isOfConnection(test));
  return {
    sources: rule.sources.map((tests) => keep(tests)),
    operations: rule.operations.map((tests) => keep(tests)),
    conditions: keep(rule.conditions),
  };
}

/** Does the rule ask for nothing of HTTP? */
export const isPure = ({ sources, operations, conditions }: CompiledRule): boolean =>
  [...sources.flat(), ...operations.flat(), ...conditions].every((test) => isOfConnection(test));

/** 403 as Envoy's RBAC filter answers it. @param rule that matched; -1 = none did */
export function accessDenied(policy?: LinkedPolicy, rule = -1): LocalReply {
  const id = policy?.ruleIds[rule] ?? 'none';
  return {
    status: 403,
    body: 'RBAC: access denied',
    headers: [['content-type', 'text/plain']],
    flag: '',
    details: `rbac_access_denied_matched_policy[${id}]`,
  };
}
