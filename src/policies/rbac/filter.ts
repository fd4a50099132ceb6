/** DENY, then ALLOW. */
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter, PolicyFilter } from '../../model/policy.ts';
import type { RbacConfig } from './config.ts';
import type { LinkedPolicy } from './link-rules.ts';
import { traceRule } from './trace-rules.ts';
import { accessDenied, isPure, linkPolicy, matchingRule, withoutHttp } from './link-rules.ts';

/**
 * The same policies for connections: a rule of ALLOW that asks for anything of HTTP can't be met,
 * one of DENY loses what it asks for there, which makes it wider.
 */
function ofConnections({ deny, allow, audit }: RbacConfig): RbacConfig {
  return {
    audit,
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

class RbacFilter implements Filter {
  readonly #config: RbacConfig;
  #connections: RbacFilter | undefined;
  readonly #deny: readonly LinkedPolicy[];
  readonly #allow: readonly LinkedPolicy[];
  readonly #audit: readonly LinkedPolicy[];
  /** No ALLOW policy counts, so what isn't denied is allowed. */
  readonly #isOpen: boolean;

  constructor(config: RbacConfig) {
    this.#config = config;
    this.#deny = config.deny.map((policy) => linkPolicy(policy, 'DENY'));
    this.#allow = config.allow.map((policy) => linkPolicy(policy, 'ALLOW'));
    this.#audit = config.audit.map((policy) => linkPolicy(policy, 'AUDIT'));
    this.#isOpen = config.allow.every((policy) => policy.dryRun);
  }

  request(x: Exchange): LocalReply | undefined {
    for (const policy of this.#audit)
      traceRule(x, policy, matchingRule(policy, x, false), 'passed');
    for (const policy of this.#deny) {
      const rule = matchingRule(policy, x, true);
      traceRule(x, policy, rule, 'denied');
      if (rule < 0 || policy.dryRun) continue;
      x.decidedBy = policy.name;
      return accessDenied(policy.name);
    }
    return this.#allowed(x);
  }

  connection(x: Exchange): boolean {
    this.#connections ??= new RbacFilter(ofConnections({ ...this.#config, audit: [] }));
    return this.#connections.request(x) === undefined;
  }

  #allowed(x: Exchange): LocalReply | undefined {
    for (const policy of this.#allow) {
      const rule = matchingRule(policy, x, false);
      traceRule(x, policy, rule, 'passed');
      if (rule < 0 || policy.dryRun) continue;
      x.decidedBy = policy.name;
      return undefined;
    }
    return this.#isOpen ? undefined : accessDenied('none');
  }
}

export const rbacFilter: PolicyFilter = {
  kind: 'rbac',
  phase: 'authz',
  link: (config) => new RbacFilter(config as RbacConfig),
};
