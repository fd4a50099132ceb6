/** Configuration that somebody else in this process compiles, of files. */
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { SecretMaterial } from '../../src/model/secret.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { Configuration } from '../plane.ts';
import type { GivenSecrets } from '../secrets.ts';
import { ScopeSecrets } from './scope-secrets.ts';
import type { Apply, ConfigSource } from './source.ts';
import { keyOfScope } from './source.ts';

/** Why it is refused; nothing = it is in force. */
export type Give = (
  scope: ProxyScope,
  configuration: Configuration,
  secrets: Readonly<Record<string, SecretMaterial>>,
) => Promise<readonly Diagnostic[]>;

export interface Watching {
  stop(): void;
  refreshKeys(uri: string, kid: string): Promise<void>;
}

export interface FolderSourceOptions {
  /** Compiles, gives, and gives again whatever changes. Resolves when all was given once. */
  readonly watch: (give: Give) => Promise<Watching>;
  readonly apply: Apply;
  readonly secrets: GivenSecrets;
}

export function createFolderSource({ watch, apply, secrets }: FolderSourceOptions): ConfigSource {
  const material = new ScopeSecrets(secrets);
  let watching: Watching | undefined;
  let isStopped = false;
  return {
    async start() {
      watching = await watch(async (scope, configuration, given) => {
        if (isStopped) return [];
        material.give(keyOfScope(scope), given);
        const refused = await apply(scope, configuration);
        if (refused.length === 0) material.settle(keyOfScope(scope));
        return refused;
      });
      // A proxy that could not be started isn't kept by what it would have watched.
      if (isStopped) watching.stop();
    },
    stop() {
      isStopped = true;
      watching?.stop();
      return Promise.resolve();
    },
    async refreshKeys(_scope, uri, kid) {
      await watching?.refreshKeys(uri, kid);
    },
    issueToken: () => Promise.reject(new Error('a proxy that reads files has no control plane')),
  };
}
