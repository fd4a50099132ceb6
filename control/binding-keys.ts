/** Fetches keys on Workers: over the platform's egress, which reaches no private network, or from a service binding. */
import type { FetchKeys } from './keys.ts';

interface Service {
  fetch(request: Request): Promise<Response>;
}

const BINDING = 'binding:';

function isService(value: unknown): value is Service {
  return (
    typeof value === 'object' &&
    value !== null &&
    'fetch' in value &&
    typeof value.fetch === 'function'
  );
}

/** `env` holds the bindings of the control plane's worker. */
export function createBindingKeys(env: object): FetchKeys {
  return async (uri, { endpoint, ...init }) => {
    // Where a host of the mesh has no binding, its name is public or of no use here.
    if (endpoint?.address.startsWith(BINDING) !== true) return fetch(uri, init);
    const name = endpoint.address.slice(BINDING.length);
    const service: unknown = Object.hasOwn(env, name) ? Reflect.get(env, name) : undefined;
    if (!isService(service)) throw new Error(`the control plane has no service binding ${name}`);
    return service.fetch(new Request(uri, init));
  };
}
