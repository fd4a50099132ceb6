/** The part of the platform module that the workers use; the full types clash with the DOM's. */
declare module 'cloudflare:workers' {
  /** Bindings of the worker. */
  export const env: unknown;

  interface WorkerContext {
    waitUntil(work: Promise<unknown>): void;
  }

  export class WorkerEntrypoint<Env = unknown> {
    protected readonly env: Env;
    protected readonly ctx: WorkerContext;
    fetch?(request: Request): Promise<Response>;
  }

  export class DurableObject<Env = unknown> {
    constructor(context: { readonly storage: unknown }, env: Env);
    protected readonly env: Env;
    fetch?(request: Request): Promise<Response>;
  }
}

/** The part of the test runner's module that tests inside workerd use. */
declare module 'cloudflare:test' {
  export function runInDurableObject<T>(
    stub: unknown,
    work: (object: unknown, state: { readonly storage: unknown }) => Promise<T>,
  ): Promise<T>;

  /** The object forgets everything but its storage and its sockets. */
  export function evictDurableObject(stub: unknown): Promise<void>;
}
