/** What the admin endpoint shows, whether one process carries the traffic or many. */
import type { Listening, Sidecar } from '../sidecar.ts';
import type { ClusterView, ScopeDump } from './dump.ts';
import { clustersView, configDump } from './dump.ts';
import { prometheusText } from './stats.ts';

export interface ProxyView {
  /** What it waits for, or why it takes no more; undefined = it is ready. */
  lacks(): string | undefined;
  /** Processes, names, times. */
  about(): object;
  dump(): { readonly scopes: readonly ScopeDump[] };
  clusters(): Promise<readonly ClusterView[]>;
  listening(): Promise<readonly Listening[]>;
  stats(): Promise<string>;
}

/** For a sidecar that is embedded. */
export function viewOf(sidecar: Sidecar): ProxyView {
  return {
    lacks() {
      if (sidecar.isDraining) return 'draining';
      return sidecar.isReady ? undefined : 'no configuration yet';
    },
    about: () => ({ pid: process.pid }),
    dump: () => configDump(sidecar),
    clusters: async () => clustersView(sidecar).clusters,
    listening: async () => sidecar.listening(),
    stats: async () => prometheusText(sidecar),
  };
}
