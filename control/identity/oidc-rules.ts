/** Who may join by a token of their platform (a CI system, a cloud): rules, and what one makes of a token's claims. */
import { own } from '../../src/lib/own.ts';
import { identityFault, trustDomainOf, workloadOf } from '../../src/lib/spiffe-id.ts';
import type { Store } from '../../src/model/store.ts';
import { Problem } from '../problem.ts';

export const OIDC_ALGORITHMS = ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA'] as const;
export type OidcAlgorithm = (typeof OIDC_ALGORITHMS)[number];

export interface OidcJoinRule {
  readonly name: string;
  /** As its tokens say in `iss`. */
  readonly issuer: string;
  /** That tokens must say in `aud`. */
  readonly audience: string;
  /** By claim (`a.b` looks into an object): the value, or its beginning and a `*`. All must fit. */
  readonly claims: Readonly<Record<string, string>>;
  /** `trust.domain/ns/a/sa/b`; `{claim}` stands for a claim's value, as one segment. */
  readonly identity: string;
  readonly algorithms: readonly OidcAlgorithm[];
  /** Tokens that were issued longer ago are refused. */
  readonly maxAgeMs: number;
  readonly createdBy: string;
  readonly createdMs: number;
}

type Claims = Readonly<Record<string, unknown>>;

const PREFIX = '!oidc-join/';
const MAX_RULES = 200;
const PLACE = /\{([\w.:/-]{1,128})\}/g;
const SEGMENT = /^[a-zA-Z0-9._-]+$/;

function claimText(claims: Claims, path: string): string | undefined {
  // A claim may have dots in its own name, as those of some clouds that are URLs.
  const whole = own(claims, path);
  const value =
    whole ??
    path
      .split('.')
      .reduce<unknown>(
        (at, part) => (typeof at === 'object' && at !== null ? own(at as Claims, part) : undefined),
        claims,
      );
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

function fits(value: string | undefined, wanted: string): boolean {
  if (value === undefined) return false;
  return wanted.endsWith('*') ? value.startsWith(wanted.slice(0, -1)) : value === wanted;
}

/** Why a rule doesn't fit; undefined = it does. */
export function ruleFault(rule: OidcJoinRule, claims: Claims): string | undefined {
  for (const [path, wanted] of Object.entries(rule.claims)) {
    const value = claimText(claims, path);
    if (!fits(value, wanted))
      return `claim ${path} is ${JSON.stringify(value ?? null)}, want ${JSON.stringify(wanted)}`;
  }
  return undefined;
}

/** @throws RangeError when a claim can't stand in an identity */
export function identityFor(rule: OidcJoinRule, claims: Claims): string {
  return rule.identity.replaceAll(PLACE, (_, path: string) => {
    const value = claimText(claims, path);
    if (value === undefined || !SEGMENT.test(value) || value === '.' || value === '..')
      throw new RangeError(
        `claim ${path} is ${JSON.stringify(value ?? null)}, which is no segment of an identity`,
      );
    return value;
  });
}

/** Why it can't be a rule's identity; undefined = it can. */
export function templateFault(template: string, trustDomain: string): string | undefined {
  const example = template.replaceAll(PLACE, 'x');
  const fault = identityFault(example);
  if (fault !== undefined) return fault;
  if (trustDomainOf(example) !== trustDomain || !template.startsWith(`${trustDomain}/`))
    return `it is of ${trustDomainOf(example)}, and this mesh is ${trustDomain}`;
  return workloadOf(example) === undefined
    ? `want spiffe://${trustDomain}/ns/<namespace>/sa/<service account>`
    : undefined;
}

export class OidcRules {
  readonly #store: Store;
  readonly #nowMs: () => number;

  constructor(store: Store, nowMs: () => number) {
    this.#store = store;
    this.#nowMs = nowMs;
  }

  async list(): Promise<readonly OidcJoinRule[]> {
    const { records } = await this.#store.list(PREFIX);
    return records.map(({ value }) => JSON.parse(value) as OidcJoinRule);
  }

  /** @throws Problem 409 when the name is taken, or there are too many */
  async add(rule: OidcJoinRule): Promise<void> {
    if ((await this.list()).length >= MAX_RULES)
      throw new Problem(409, 'too many rules', `there may be ${MAX_RULES}: remove one first`);
    const result = await this.#store.commit(
      [{ op: 'put', key: PREFIX + rule.name, value: JSON.stringify(rule), ifRevision: 0 }],
      { actor: rule.createdBy, message: `OIDC join ${rule.name}`, atMs: this.#nowMs() },
    );
    if (!result.ok)
      throw new Problem(409, 'conflict', `there is an OIDC join ${rule.name}: remove it first`);
  }

  /** @throws Problem 404 */
  async remove(name: string, actor: string): Promise<void> {
    const key = PREFIX + name;
    if ((await this.#store.get(key)) === undefined)
      throw new Problem(404, 'not found', `no OIDC join ${name}`);
    await this.#store.commit([{ op: 'delete', key }], {
      actor,
      message: `OIDC join ${name} removed`,
      atMs: this.#nowMs(),
    });
  }
}
