/** Deny, then allow. What can't be judged matches in deny and doesn't in allow; what is absent is judged. */
import { linkCidrs } from '../../lib/cidr.ts';
import { PathTrie } from '../../lib/path-trie.ts';
import { otherValues, plainPath } from '../../lib/readings.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter, PolicyFilter } from '../../model/policy.ts';
import { plainReply, policyStep } from '../answers.ts';
import type { AccessConfig, AccessRule, HeaderWish, PathWish } from './config.ts';

/** Undefined = can't be judged. */
type Verdict = boolean | undefined;

/** What several rules ask of one request, found out once. */
interface Seen {
  readonly x: Exchange;
  /** Else a connection, of which nothing was read. */
  readonly isRequest: boolean;
  /** The path in another reading; undefined = there is none. */
  readonly otherPath: string | undefined;
}

type Test = (seen: Seen) => Verdict;

function addressTest(cidrs: readonly string[]): Test {
  const isInside = linkCidrs(cidrs);
  return ({ x }) => isInside(x.remoteIp);
}

/** The platform places the peer: behind a trusted hop that is another one than the client. */
function countryTest(countries: readonly string[]): Test {
  const wanted = new Set(countries);
  return ({ x: { peer, remoteIp } }) =>
    peer.country === undefined || peer.ip !== remoteIp ? undefined : wanted.has(peer.country);
}

function hostTest(hosts: readonly string[]): Test {
  const exact = new Set(hosts.filter((host) => !host.startsWith('*')));
  const below = new Set(hosts.filter((host) => host.startsWith('*')).map((host) => host.slice(2)));
  const isWanted = (host: string): boolean => {
    if (exact.has(host)) return true;
    if (below.size === 0) return false;
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1))
      if (below.has(host.slice(dot + 1))) return true;
    return false;
  };
  return ({ x: { host } }) => {
    if (!host.endsWith('.')) return isWanted(host);
    return isWanted(host.slice(0, -1)) ? undefined : false;
  };
}

const isSegmentEnd = (path: string, at: number): boolean =>
  at === path.length || path.charCodeAt(at) === 0x2f;

function pathTest(paths: readonly PathWish[]): Test {
  const trie = new PathTrie();
  const suffixes: string[] = [];
  for (const { kind, value } of paths) {
    if (kind === 'exact') trie.addExact(value, -1);
    else if (kind === 'segment-prefix') trie.addPrefix(value, value.length);
    else suffixes.push(value);
  }
  const found: number[] = [];
  const isWanted = (path: string): boolean => {
    const count = trie.collect(path, found);
    for (let i = 0; i < count; i++) {
      const length = found[i] as number;
      if (length < 0 || isSegmentEnd(path, length)) return true;
    }
    for (const suffix of suffixes) if (path.endsWith(suffix)) return true;
    return false;
  };
  return ({ x: { path }, otherPath }) => {
    const verdict = isWanted(path);
    return otherPath === undefined || isWanted(otherPath) === verdict ? verdict : undefined;
  };
}

function headerTest({ name, kind, value }: HeaderWish): Test {
  if (kind === 'present') return ({ x }) => x.request.has(name);
  if (kind === 'absent') return ({ x }) => !x.request.has(name);
  const isWanted = (text: string): boolean =>
    kind === 'exact' ? text === value : text.startsWith(value);
  return ({ x: { request } }) => {
    const values = request.getAll(name);
    const verdict = values.some((text) => isWanted(text));
    const other = otherValues(values, request.joinsRepeated);
    return other === undefined || other.some((text) => isWanted(text)) === verdict
      ? verdict
      : undefined;
  };
}

function linkRule(rule: AccessRule): Test {
  const tests: Test[] = [];
  const ofRequests =
    (test: Test): Test =>
    (seen) =>
      seen.isRequest ? test(seen) : undefined;
  // The cheap ones first: most rules are decided by one of them.
  if (rule.countries !== undefined) tests.push(countryTest(rule.countries));
  if (rule.hosts !== undefined) tests.push(ofRequests(hostTest(rule.hosts)));
  if (rule.paths !== undefined) tests.push(ofRequests(pathTest(rule.paths)));
  for (const wish of rule.headers ?? []) tests.push(ofRequests(headerTest(wish)));
  if (rule.cidrs !== undefined) tests.push(addressTest(rule.cidrs));
  return (seen) => {
    let verdict: Verdict = true;
    for (const test of tests) {
      const result = test(seen);
      if (result === false) return false;
      if (result === undefined) verdict = undefined;
    }
    return verdict;
  };
}

function refuse(details: string): LocalReply {
  return plainReply(403, 'access denied', details);
}

class AccessFilter implements Filter {
  readonly #policy: string;
  readonly #deny: readonly Test[];
  readonly #allow: readonly Test[] | undefined;
  readonly #looksAtPath: boolean;

  constructor({ policy, deny, allow }: AccessConfig) {
    this.#policy = policy;
    this.#deny = deny.map((rule) => linkRule(rule));
    this.#allow = allow?.map((rule) => linkRule(rule));
    this.#looksAtPath = [...deny, ...(allow ?? [])].some(({ paths }) => paths !== undefined);
  }

  request(x: Exchange): LocalReply | undefined {
    const otherPath = this.#looksAtPath ? plainPath(x.path) : undefined;
    return this.#judge({ x, isRequest: true, otherPath });
  }

  connection(x: Exchange): boolean {
    const refused = this.#judge({ x, isRequest: false, otherPath: undefined });
    if (refused !== undefined) x.details = refused.details;
    return refused === undefined;
  }

  #judge(seen: Seen): LocalReply | undefined {
    const { x } = seen;
    const deny = this.#firstMatch(this.#deny, seen, true);
    if (deny >= 0) {
      this.#trace(x, 'denied', 'deny', deny);
      x.decidedBy = this.#policy;
      return refuse(`access_denied_matched_rule[${this.#policy} deny[${deny}]]`);
    }
    if (this.#allow === undefined) {
      this.#trace(x, 'not-matched', 'deny', -1);
      return undefined;
    }
    const allow = this.#firstMatch(this.#allow, seen, false);
    this.#trace(x, allow < 0 ? 'denied' : 'passed', 'allow', allow);
    x.decidedBy = this.#policy;
    return allow < 0 ? refuse(`access_denied_no_rule[${this.#policy}]`) : undefined;
  }

  #firstMatch(rules: readonly Test[], seen: Seen, undecided: boolean): number {
    for (let i = 0; i < rules.length; i++) if ((rules[i] as Test)(seen) ?? undecided) return i;
    return -1;
  }

  #trace(
    x: Exchange,
    outcome: 'denied' | 'passed' | 'not-matched',
    list: 'deny' | 'allow',
    rule: number,
  ): void {
    const path = rule < 0 ? `spec.access.${list}` : `spec.access.${list}[${rule}]`;
    const detail =
      rule < 0 ? `no ${list} rule of access matches` : `access ${list}[${rule}] matches`;
    x.trace?.push(policyStep(this.#policy, path, outcome, detail));
  }
}

export const accessFilter: PolicyFilter = {
  kind: 'access',
  phase: 'authz',
  link: (config) => new AccessFilter(config as AccessConfig),
};
