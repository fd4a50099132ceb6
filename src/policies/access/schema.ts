import { z } from 'zod';
import { parseCidr } from '../../lib/cidr.ts';
import type { PolicyPart, ReportFault } from '../../model/policy.ts';

const MAX_RULES = 256;
const MAX_CIDRS = 10_000;
const MAX_ENTRIES = 1000;

const bounded = <Entry extends z.ZodType>(entry: Entry, max: number): z.ZodArray<Entry> =>
  z.array(entry).max(max, { error: `a list takes at most ${max}` });

const path = z.strictObject({
  exact: z.string().optional(),
  prefix: z.string().optional(),
  suffix: z.string().optional(),
});
const header = z.strictObject({
  name: z.string(),
  exact: z.string().optional(),
  prefix: z.string().optional(),
  present: z.boolean().optional(),
});
const rule = z.strictObject({
  cidrs: bounded(z.string(), MAX_CIDRS).optional(),
  countries: bounded(z.string(), MAX_ENTRIES).optional(),
  hosts: bounded(z.string(), MAX_ENTRIES).optional(),
  paths: bounded(path, MAX_ENTRIES).optional(),
  headers: bounded(header, MAX_ENTRIES).optional(),
});
const schema = z.strictObject({
  deny: bounded(rule, MAX_RULES).optional(),
  allow: bounded(rule, MAX_RULES).optional(),
});

/** One of the three. */
export interface AccessPath {
  readonly exact?: string;
  readonly prefix?: string;
  readonly suffix?: string;
}

/** The name and one of the three. */
export interface AccessHeader {
  readonly name: string;
  readonly exact?: string;
  readonly prefix?: string;
  readonly present?: boolean;
}

export interface AccessPartRule {
  readonly cidrs?: readonly string[];
  readonly countries?: readonly string[];
  readonly hosts?: readonly string[];
  readonly paths?: readonly AccessPath[];
  readonly headers?: readonly AccessHeader[];
}

export interface AccessPart {
  readonly deny?: readonly AccessPartRule[];
  readonly allow?: readonly AccessPartRule[];
}

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HOST =
  /^(?:\*\.)?[a-z0-9_](?:[-a-z0-9_]*[a-z0-9_])?(?:\.[a-z0-9_](?:[-a-z0-9_]*[a-z0-9_])?)*$/i;
const ADDRESS_HOST = /^\[[0-9a-f:.]+\]$/i;
/** What a canonical path never holds: a rule on it would never match. */
const NEVER_IN_PATH = /[\s?#;\\"<>{}|^`\x00-\x1f\x7f-\uffff]|\/\/|\/\.\.?(?:\/|$)/;
const NEVER_ENCODED = /%(?:2[DEde]|3\d|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|7[Ee]|00|2[Ff]|5[Cc])/;

function checkPath(given: AccessPath, at: string, report: ReportFault): void {
  const [[kind, value] = ['', ''], ...others] = Object.entries(given) as [string, string][];
  if (kind === '' || others.length > 0) {
    report(at, 'a path has one of exact, prefix, suffix');
    return;
  }
  if (value === '') report(`${at}.${kind}`, 'the value is empty');
  else if (kind !== 'suffix' && !value.startsWith('/'))
    report(`${at}.${kind}`, `${JSON.stringify(value)} is no path, want one that begins with /`);
  else if (NEVER_IN_PATH.test(value) || NEVER_ENCODED.test(value))
    report(
      `${at}.${kind}`,
      `${JSON.stringify(value)} is no part of a canonical path and would never match`,
      'write it without query, parameters, dot segments and repeated slashes, letters, digits and slashes plain, what isn’t ASCII percent-encoded',
    );
}

function checkHeader(given: AccessHeader, at: string, report: ReportFault): void {
  const { name, ...wish } = given;
  if (name.startsWith(':') || name.toLowerCase() === 'host')
    report(`${at}.name`, `${name} is no field to test here`, 'use hosts or paths');
  else if (!FIELD_NAME.test(name))
    report(`${at}.name`, `${JSON.stringify(name)} is no header name`);
  if (Object.keys(wish).length !== 1)
    report(
      at,
      'a header has one of exact, prefix, present',
      'write present: true to ask for any value',
    );
  if (wish.prefix === '')
    report(`${at}.prefix`, 'the value is empty', 'write present: true to ask for any value');
}

function checkTexts(given: AccessPartRule, at: string, report: ReportFault): void {
  for (const [i, cidr] of (given.cidrs ?? []).entries())
    if (parseCidr(cidr) === undefined)
      report(
        `${at}.cidrs[${i}]`,
        `${JSON.stringify(cidr)} is no IP address or CIDR block, want 192.0.2.0/24 or 2001:db8::/32`,
      );
  for (const [i, country] of (given.countries ?? []).entries())
    if (!/^(?:[A-Z]{2}|T1)$/.test(country) || country === 'XX')
      report(
        `${at}.countries[${i}]`,
        `${JSON.stringify(country)} is no country, want two capitals of ISO 3166-1 as FI, or T1 for Tor`,
      );
  for (const [i, host] of (given.hosts ?? []).entries())
    if (!HOST.test(host) && !ADDRESS_HOST.test(host))
      report(
        `${at}.hosts[${i}]`,
        `${JSON.stringify(host)} is no host, want shop.test or *.shop.test, without port`,
      );
}

function checkRule(given: AccessPartRule, at: string, report: ReportFault): void {
  const lists = Object.entries(given) as [string, readonly unknown[]][];
  if (lists.length === 0)
    report(
      at,
      'a rule is empty, want at least one of cidrs, countries, hosts, paths, headers',
      'cidrs: [0.0.0.0/0, "::/0"] is everybody',
    );
  for (const [name, list] of lists)
    if (list.length === 0)
      report(
        `${at}.${name}`,
        `${name} is empty: the rule would never match`,
        'leave it out to mean any',
      );
  checkTexts(given, at, report);
  for (const [i, entry] of (given.paths ?? []).entries())
    checkPath(entry, `${at}.paths[${i}]`, report);
  for (const [i, entry] of (given.headers ?? []).entries())
    checkHeader(entry, `${at}.headers[${i}]`, report);
}

function check(given: unknown, report: ReportFault): void {
  const { deny, allow } = given as AccessPart;
  if (deny === undefined && allow === undefined)
    report('', 'access says nothing, want deny or allow');
  for (const [name, rules] of [
    ['deny', deny],
    ['allow', allow],
  ] as const)
    for (const [index, entry] of (rules ?? []).entries())
      checkRule(entry, `${name}[${index}]`, report);
}

const fieldsOf = (list: 'deny' | 'allow'): PolicyPart['fields'] => [
  {
    path: list,
    type: 'list of rules',
    meaning:
      list === 'deny'
        ? 'a request that one of them matches is refused, whatever `allow` says'
        : 'a request that none of them matches is refused; an empty list lets nobody in',
    default: list === 'deny' ? 'nothing is denied' : 'everything else is allowed',
  },
  {
    path: `${list}[].cidrs`,
    type: 'list of addresses and blocks',
    meaning: 'the client, behind trusted hops of X-Forwarded-For',
  },
  {
    path: `${list}[].countries`,
    type: 'list of ISO 3166-1 codes',
    meaning: 'where the platform places the client',
  },
  {
    path: `${list}[].hosts`,
    type: 'list of hosts',
    meaning: 'in any case, without port: exact, or `*.shop.test` for every name below it',
  },
  {
    path: `${list}[].paths`,
    type: 'list of paths',
    meaning: 'the canonical path without query; each entry has one of the following',
  },
  { path: `${list}[].paths[].exact`, type: 'text', meaning: 'the whole path' },
  {
    path: `${list}[].paths[].prefix`,
    type: 'text',
    meaning: 'whole segments: `/admin` takes `/admin` and `/admin/x`, not `/administrator`',
  },
  { path: `${list}[].paths[].suffix`, type: 'text', meaning: 'the end of the path, as `.php`' },
  {
    path: `${list}[].headers`,
    type: 'list of headers',
    meaning: 'all of them must hold; each has a name and one of the following',
  },
  { path: `${list}[].headers[].name`, type: 'text', meaning: 'in any case' },
  { path: `${list}[].headers[].exact`, type: 'text', meaning: 'one of its values' },
  {
    path: `${list}[].headers[].prefix`,
    type: 'text',
    meaning: 'the beginning of one of its values',
  },
  {
    path: `${list}[].headers[].present`,
    type: 'boolean',
    meaning: 'true: it is there, false: it is not',
  },
];

const NOTES = `A rule matches when every field that it has holds; of the values in a field one is enough (of \`headers\` all). Deny goes before allow. With \`allow\`, what no rule of it matches is refused.

It runs in phase authz, behind CUSTOM authorization, JWT and AuthorizationPolicy: what these refuse never comes here.

What is **absent** is judged: a missing header doesn't match. What **can't be judged** makes a deny rule match and an allow rule not:
- \`countries\` where nobody knows the client's: runtimes other than Cloudflare's, an address that the platform can't place, a client behind trusted hops (the platform then places the last of them);
- \`hosts\`, \`paths\` and \`headers\` of a connection that carries something other than HTTP: a deny rule that asks for them closes it when its other fields hold, as AuthorizationPolicy does; give such ports a Policy of their own (\`sectionName\`);
- an address that can't be read;
- a path with parameters, encoded or repeated slashes or dot segments, and a host with a final dot: every reading must match for allow, one is enough for deny;
- a header whose repeats would decide otherwise when joined or taken apart.

At most ${MAX_RULES} rules in a list, ${MAX_CIDRS.toLocaleString('en')} blocks in a rule and ${MAX_ENTRIES.toLocaleString('en')} entries in every other field. An address is found among thousands of blocks with one binary search. A long list belongs on a Gateway, a selector or a namespace, where a gateway holds it once; on a route it is held for each of its rules.`;

const BODY = 'access denied';

export const accessPart: PolicyPart<z.ZodType> = {
  key: 'access',
  summary: 'Denies and allows requests by client address, country, host, path and header.',
  schema,
  check,
  fields: [...fieldsOf('deny'), ...fieldsOf('allow')],
  notes: NOTES,
  refusals: [
    {
      when: 'a deny rule matches',
      status: 403,
      body: BODY,
      details: 'access_denied_matched_rule[namespace/name deny[0]]',
    },
    {
      when: 'no allow rule matches',
      status: 403,
      body: BODY,
      details: 'access_denied_no_rule[namespace/name]',
    },
  ],
  example: `deny:
- cidrs: [198.51.100.0/24, "2001:db8:bad::/48"]
- paths: [{prefix: /admin}]
  headers: [{name: x-internal, present: false}]
allow:
- cidrs: [192.0.2.0/24]
- countries: [FI, SE]
  hosts: [shop.test, "*.shop.test"]
`,
};
