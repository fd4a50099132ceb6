/** Headers that tell browsers to be careful, on every response that leaves, the proxy's own included. */
import type { Exchange } from '../../model/exchange.ts';
import type { Filter, PolicyFilter } from '../../model/policy.ts';
import type { SecurityHeadersConfig } from './config.ts';

const HSTS = 'strict-transport-security';

class SecurityHeadersFilter implements Filter {
  readonly #config: SecurityHeadersConfig;

  constructor(config: SecurityHeadersConfig) {
    this.#config = config;
  }

  response({ response, scheme }: Exchange): void {
    if (response === undefined) return;
    const { set, hsts, remove, overwrites } = this.#config;
    for (const name of remove) if (response.has(name)) response.remove(name);
    for (const { name, value } of set)
      if (overwrites || !response.has(name)) response.set(name, value);
    if (scheme !== 'https') {
      // Over plain HTTP it says nothing that may be believed (RFC 6797, 7.2).
      if (response.has(HSTS)) response.remove(HSTS);
    } else if (hsts !== undefined && (overwrites || !response.has(HSTS))) response.set(HSTS, hsts);
  }
}

export const securityHeadersFilter: PolicyFilter = {
  kind: 'securityHeaders',
  phase: 'headers',
  link: (config) => new SecurityHeadersFilter(config as SecurityHeadersConfig),
};
