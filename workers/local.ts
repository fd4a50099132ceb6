/** Runs the workers on this machine: workerd through miniflare. The one file that knows miniflare's options. */
import { Miniflare, convertV4MiniflareOptions } from 'miniflare';

export interface LocalWorker {
  readonly name: string;
  /** One ES module. */
  readonly script: string;
  readonly vars: Readonly<Record<string, string>>;
  /** Binding to worker name. */
  readonly services?: Readonly<Record<string, string>>;
  /** Binding to class with SQLite storage. */
  readonly objects?: Readonly<Record<string, string>>;
  /** Names of KV bindings. */
  readonly namespaces?: readonly string[];
  /** Loopback ports; `entrypoint` undefined = the default export. */
  readonly sockets: readonly { readonly port: number; readonly entrypoint?: string }[];
}

export interface LocalWorkers {
  /** Base URL of a worker's entrypoint. */
  url(name: string, entrypoint?: string): Promise<string>;
  close(): Promise<void>;
}

export interface LocalOptions {
  readonly workers: readonly LocalWorker[];
  /** Folder for Durable Objects; absent = memory. */
  readonly persistPath?: string;
}

/** The newest that the pinned workerd knows. */
const COMPATIBILITY_DATE = '2026-10-20';

export async function startLocalWorkers(options: LocalOptions): Promise<LocalWorkers> {
  const miniflare = new Miniflare({
    ...convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      cf: false,
      workers: options.workers.map((worker) => ({
        name: worker.name,
        modules: [
          { type: 'ESModule' as const, path: `${worker.name}.mjs`, contents: worker.script },
        ],
        compatibilityDate: COMPATIBILITY_DATE,
        bindings: { ...worker.vars },
        serviceBindings: { ...worker.services },
        durableObjects: Object.fromEntries(
          Object.entries(worker.objects ?? {}).map(([binding, className]) => [
            binding,
            { className, useSQLite: true },
          ]),
        ),
        kvNamespaces: Object.fromEntries(
          (worker.namespaces ?? []).map((binding) => [binding, `${worker.name}-${binding}`]),
        ),
        unsafeDirectSockets: worker.sockets.map(({ port, entrypoint }) => ({
          host: '127.0.0.1',
          port,
          ...(entrypoint === undefined ? {} : { entrypoint }),
        })),
      })),
    }),
    ...(options.persistPath === undefined ? {} : { resourcePersistencePath: options.persistPath }),
  });
  await miniflare.ready;
  return {
    url: async (name, entrypoint) =>
      (await miniflare.unsafeGetDirectURL(name, entrypoint)).href.replace(/\/$/, ''),
    close: async () => miniflare.dispose(),
  };
}
