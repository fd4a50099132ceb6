/** Where a proxy's configuration comes from: a control plane, or files. Both hand over whole configurations. */
import { createHash } from 'node:crypto';
import type { IssuedToken } from '../../src/model/identity.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { LinkError } from '../../src/proxy/index.ts';
import type { Applied, Configuration } from '../plane.ts';

/** Puts a configuration in force, whole, and resolves when it is; or says why not, and then what was in force stays. */
export type Apply = (
  scope: ProxyScope,
  configuration: Configuration,
) => Promise<readonly Diagnostic[]>;

export interface ConfigSource {
  /** Resolves when every scope runs something, or when that was waited for long enough. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A token named a kid that no key of the set has; resolves when there may be fresher ones. */
  refreshKeys(scope: ProxyScope, uri: string, kid: string): Promise<void>;
  /** Of the control plane, for the holder of a key (its public JWK). Rejects where there is none, or it gives none. */
  issueToken(key: PublicKey): Promise<IssuedToken>;
}

export type PublicKey = Readonly<Record<string, unknown>>;

export type ScopeKey = Pick<ProxyScope, 'type' | 'namespace' | 'name'>;

export function keyOfScope({ type, namespace, name }: ScopeKey): string {
  return `${type}/${namespace}/${name}`;
}

function refusal(message: string): readonly Diagnostic[] {
  return [{ code: 'LAT0201', level: 'error', message }];
}

/**
 * What can't be linked is refused with its reason.
 * @param onFault told of what is no fault of the configuration
 */
export function applyWith(
  apply: (scope: ProxyScope, configuration: Configuration) => Promise<Applied>,
  onFault: (error: unknown) => void,
): Apply {
  return async (scope, configuration) => {
    try {
      const applied = await apply(scope, configuration);
      return applied === 'applied' ? [] : refusal('a newer one took its place, or the proxy ends');
    } catch (error) {
      if (error instanceof LinkError) return refusal(error.message);
      onFault(error);
      return refusal('it could not be put in force; the log of the proxy says why');
    }
  };
}

/** One line of the proxy's log. */
export function logLine(level: 'info' | 'warning', message: string, fields: object = {}): string {
  return JSON.stringify({ level, message, ...fields });
}

export { faultText as causeOf } from '../../src/lib/fault.ts';

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
