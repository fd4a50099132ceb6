/** DENY, then ALLOW; of each first the dry runs, which refuse nothing. */
import type { Exchange, LocalReply, ShadowResult } from '../../model/exchange.ts';
import type { Filter, PolicyFilter } from '../../model/policy.ts';
import type { CompiledAuthorization, RbacConfig } from './config.ts';
import type { Action, LinkedPolicy } from './link-rules.ts';
import { traceRule } from './trace-rules.ts';
import { accessDenied, isPure, linkPolicy, matchingRule, withoutHttp } from './link-rules.ts';

/**
 * The same policies for connections: a rule of ALLOW that asks for anything of HTTP can't be met,
 * one of DENY loses what it asks for there, which makes it wider.
 */
function ofConnections({ deny, allow }: RbacConfig): RbacConfig {
  return {
    audit: [],
    deny: deny.map((policy) => ({
      ...policy,
      rules: policy.rules.map((rule) => withoutHttp(rule)),
    })),
    allow: allow.map((policy) => ({
      ...policy,
      rules: policy.rules.filter((rule) => isPure(rule)),
    })),
  };
}

const link = (policies: readonly CompiledAuthorization[], action: Action): LinkedPolicy[] =>
  policies.map((policy) => linkPolicy(policy, action));

/** Of one action: those in force, and those that are only tried. */
class Policies {
  readonly enforced: readonly LinkedPolicy[];
  readonly #tried: readonly LinkedPolicy[];
  readonly #isDeny: boolean;

  constructor(policies: readonly CompiledAuthorization[], action: 'ALLOW' | 'DENY') {
    this.#isDeny = action === 'DENY';
    this.enforced = link(
      policies.filter(({ dryRun }) => !dryRun),
      action,
    );
    this.#tried = link(
      policies.filter(({ dryRun }) => dryRun),
      action,
    );
  }

  /** Undefined = none is tried. All are traced: whoever tries policies wants to see each. */
  try(x: Exchange): ShadowResult | undefined {
    if (this.#tried.length === 0) return undefined;
    let decided: string | undefined;
    for (const policy of this.#tried) {
      const rule = matchingRule(policy, x, this.#isDeny);
      traceRule(x, policy, rule, 'passed');
      if (rule >= 0) decided ??= policy.ruleIds[rule];
    }
    const isAllowed = (decided === undefined) === this.#isDeny;
    return {
      result: isAllowed ? 'allowed' : 'denied',
      ...(decided === undefined ? {} : { policyId: decided }),
    };
  }
}

class RbacFilter implements Filter {
  readonly #config: RbacConfig;
  #connections: RbacFilter | undefined;
  readonly #deny: Policies;
  readonly #allow: Policies;
  readonly #audit: readonly LinkedPolicy[];

  constructor(config: RbacConfig) {
    this.#config = config;
    this.#deny = new Policies(config.deny, 'DENY');
    this.#allow = new Policies(config.allow, 'ALLOW');
    this.#audit = link(config.audit, 'AUDIT');
  }

  request(x: Exchange): LocalReply | undefined {
    if (this.#audit.length > 0) this.#markAudited(x);
    return this.#denied(x) ?? this.#allowed(x);
  }

  connection(x: Exchange): boolean {
    this.#connections ??= new RbacFilter(ofConnections(this.#config));
    const refused = this.#connections.request(x);
    if (refused !== undefined) x.details = refused.details;
    return refused === undefined;
  }

  #markAudited(x: Exchange): void {
    for (const policy of this.#audit) {
      const rule = matchingRule(policy, x, false);
      traceRule(x, policy, rule, 'passed');
      if (rule >= 0 && !policy.dryRun)
        x.marks = { audit: policy.ruleIds[rule] ?? policy.name, ...x.marks };
    }
  }

  #denied(x: Exchange): LocalReply | undefined {
    const shadowDeny = this.#deny.try(x);
    if (shadowDeny !== undefined) x.marks = { ...x.marks, shadowDeny };
    for (const policy of this.#deny.enforced) {
      const rule = matchingRule(policy, x, true);
      traceRule(x, policy, rule, 'denied');
      if (rule < 0) continue;
      x.decidedBy = policy.name;
      x.decidedRule = rule;
      return accessDenied(policy, rule);
    }
    return undefined;
  }

  #allowed(x: Exchange): LocalReply | undefined {
    const shadowAllow = this.#allow.try(x);
    if (shadowAllow !== undefined) x.marks = { ...x.marks, shadowAllow };
    const { enforced } = this.#allow;
    for (const policy of enforced) {
      const rule = matchingRule(policy, x, false);
      traceRule(x, policy, rule, 'passed');
      if (rule < 0) continue;
      x.decidedBy = policy.name;
      x.decidedRule = rule;
      return undefined;
    }
    // No ALLOW policy counts: what isn't denied is allowed.
    return enforced.length === 0 ? undefined : accessDenied();
  }
}

export const rbacFilter: PolicyFilter = {
  kind: 'rbac',
  phase: 'authz',
  link: (config) => new RbacFilter(config as RbacConfig),
};
