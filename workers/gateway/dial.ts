/** Sends one attempt: by fetch, or by service binding. */
import type { Dial } from '../../src/drivers/fetch.ts';
import type { Fetcher, GatewayEnv } from './env.ts';

const BINDING = 'binding:';
/** Address of the service that an inbound gateway stands before. */
export const APP_ADDRESS = 'binding:APP';

/** The service's own base URL. The target stays as it was decided on; the authority travels in x-forwarded-host already. */
function toApp(base: string, request: Request): Promise<Response> {
  const { url } = request;
  const target = url.slice(url.indexOf('/', url.indexOf('://') + 3));
  const forwarded = new Request(base.replace(/\/$/, '') + target, request);
  return fetch(forwarded, { redirect: 'manual' });
}

/** `isApp`: what has no endpoint of its own is the service that this gateway stands before, never this gateway again. */
export function createDial(env: GatewayEnv, isApp: boolean): Dial {
  return (endpoint, request) => {
    const address = endpoint?.address ?? (isApp ? APP_ADDRESS : '');
    if (!address.startsWith(BINDING)) return fetch(request);
    if (address === APP_ADDRESS && env.APP === undefined && env.APP_URL !== undefined)
      return toApp(env.APP_URL, request);
    const name = address.slice(BINDING.length);
    const bound = (env as unknown as Readonly<Record<string, Fetcher | undefined>>)[name];
    return bound === undefined
      ? Promise.reject(new Error(`no service binding ${name}`))
      : bound.fetch(request);
  };
}
