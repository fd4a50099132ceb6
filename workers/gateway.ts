/**
 * The gateway worker: one build, deployed for an ingress gateway or before one service.
 * `Inbound` is reached by service binding, the default export is the public fetch; `Outbound` carries a service's own
 * calls and is reached by service binding only.
 */
import { WorkerEntrypoint } from 'cloudflare:workers';
import type { GatewayEnv } from './gateway/env.ts';
import type { GatewayContext } from './gateway/serve.ts';
import { Gateway } from './gateway/serve.ts';

let gateway: Gateway | undefined;
/** One of an isolate, made by its first request: workers may do nothing before it. */
const theGateway = (): Gateway => (gateway ??= new Gateway());

export class Inbound extends WorkerEntrypoint<GatewayEnv> {
  override async fetch(request: Request): Promise<Response> {
    const entry = { direction: 'inbound', isPublic: false } as const;
    return theGateway().serve(request, entry, this.env, this.ctx);
  }
}

export class Outbound extends WorkerEntrypoint<GatewayEnv> {
  override async fetch(request: Request): Promise<Response> {
    const entry = { direction: 'outbound', isPublic: false } as const;
    return theGateway().serve(request, entry, this.env, this.ctx);
  }
}

export default {
  async fetch(request: Request, env: GatewayEnv, context: GatewayContext): Promise<Response> {
    return theGateway().serve(request, { direction: 'inbound', isPublic: true }, env, context);
  },
};
