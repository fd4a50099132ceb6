/** An authority in a Durable Object, for bench/issue.ts: `/?count=n` issues so many certificates, one after the other. */
import { DurableObject } from 'cloudflare:workers';
import { databaseOf } from '../control/store/object.ts';
import type { ObjectStorage } from '../control/store/object.ts';
import { createSqlStore } from '../control/store/sql.ts';
import type { Issuing } from './issue-certificates.ts';
import { startIssuing } from './issue-certificates.ts';

interface Env {
  readonly ISSUER: {
    idFromName(name: string): unknown;
    get(id: unknown): { fetch(request: Request): Promise<Response> };
  };
}

export class IssuerObject extends DurableObject<Env> {
  readonly #storage: ObjectStorage;
  #issuing: Promise<Issuing> | undefined;

  constructor(context: ConstructorParameters<typeof DurableObject<Env>>[0], env: Env) {
    super(context, env);
    this.#storage = context.storage as ObjectStorage;
  }

  override async fetch(request: Request): Promise<Response> {
    this.#issuing ??= startIssuing(createSqlStore(databaseOf(this.#storage)));
    const issuing = await this.#issuing;
    const count = Number(new URL(request.url).searchParams.get('count') ?? '0');
    await issuing.issue(count);
    return new Response(String(count));
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    return env.ISSUER.get(env.ISSUER.idFromName('issuer')).fetch(request);
  },
};
