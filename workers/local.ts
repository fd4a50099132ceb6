/** Runs the workers on this machine: workerd through miniflare. The one file that knows miniflare's options. */
import { Miniflare, convertV4MiniflareOptions } from 'miniflare';

export interface LocalBinding {
  /** Of the worker. */
  readonly name: string;
  /** @default the default export */
  readonly entrypoint?: string;
  /** `ctx.props` of the entrypoint. */
  readonly props?: Readonly<Record<string, unknown>>;
}

export interface LocalWorker {
  readonly name: string;
  /** One ES module. */
  readonly script: string;
  readonly vars: Readonly<Record<string, string>>;
  /** Binding to worker name, or to an entrypoint of a worker with what it is told of the caller. */
  readonly services?: Readonly<Record<string, string | LocalBinding>>;
  /** Binding to class with SQLite storage. */
  readonly objects?: Readonly<Record<string, string>>;
  /** Names of KV bindings. */
  readonly namespaces?: readonly string[];
  /** Where every fetch of the worker goes, whatever its URL: `127.0.0.1:port`. @default the network */
  readonly outboundAddress?: string;
  /** Loopback ports; `entrypoint` undefined = the default export. */
  readonly sockets: readonly { readonly port: number; readonly entrypoint?: string }[];
}

export interface LocalWorkers {
  /** Base URL of a worker's entrypoint. */
  url(name: string, entrypoint?: string): Promise<string>;
  /** Where V8's inspector of a worker listens; only with `inspects`. */
  inspector(name: string): Promise<string>;
  close(): Promise<void>;
}

export interface LocalOptions {
  readonly workers: readonly LocalWorker[];
  /** Folder for Durable Objects; absent = memory. */
  readonly persistPath?: string;
  /** @default false */
  readonly inspects?: boolean;
}

/** The newest that the pinned workerd knows. */
const COMPATIBILITY_DATE = '2026-10-20';

/** Passes whatever a worker fetches to one address; the URL's host stays in Host. */
const RELAY = 'export default { fetch: (request, env) => env.TARGET.fetch(request) };';

type LocalConfiguration = Extract<
  Parameters<typeof convertV4MiniflareOptions>[0],
  { workers: unknown }
>['workers'];

function optionsOf(worker: LocalWorker): LocalConfiguration {
  const { name, outboundAddress } = worker;
  const module = (path: string, contents: string) => ({
    type: 'ESModule' as const,
    path,
    contents,
  });
  const relay = `${name}-outbound`;
  const own = {
    name,
    modules: [module(`${name}.mjs`, worker.script)],
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
      (worker.namespaces ?? []).map((binding) => [binding, `${name}-${binding}`]),
    ),
    ...(outboundAddress === undefined ? {} : { outboundService: relay }),
    unsafeDirectSockets: worker.sockets.map(({ port, entrypoint }) => ({
      host: '127.0.0.1',
      port,
      ...(entrypoint === undefined ? {} : { entrypoint }),
    })),
  };
  if (outboundAddress === undefined) return [own];
  const target = { external: { address: outboundAddress, http: {} } };
  return [
    own,
    {
      name: relay,
      modules: [module(`${relay}.mjs`, RELAY)],
      compatibilityDate: COMPATIBILITY_DATE,
      serviceBindings: { TARGET: target },
    },
  ];
}

export async function startLocalWorkers(options: LocalOptions): Promise<LocalWorkers> {
  const miniflare = new Miniflare({
    ...convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      cf: false,
      ...(options.inspects === true ? { inspectorPort: 0 } : {}),
      workers: options.workers.flatMap((worker) => optionsOf(worker)),
    }),
    ...(options.persistPath === undefined ? {} : { resourcePersistencePath: options.persistPath }),
  });
  await miniflare.ready;
  return {
    url: async (name, entrypoint) =>
      (await miniflare.unsafeGetDirectURL(name, entrypoint)).href.replace(/\/$/, ''),
    inspector: async (name) => `${(await miniflare.getInspectorURL()).origin}/core:user:${name}`,
    close: async () => miniflare.dispose(),
  };
}
