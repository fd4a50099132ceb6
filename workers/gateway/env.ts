/** What a deployment of the gateway worker is given. */
import type { ProxyScope } from '../../src/model/snapshot.ts';

export interface Fetcher {
  fetch(request: Request | string, init?: RequestInit): Promise<Response>;
}

export interface GatewayEnv {
  /** The control plane: a service binding, or its URL. */
  readonly CONTROL?: Fetcher;
  readonly CONTROL_URL?: string;
  readonly PROXY_TOKEN: string;
  /** JSON of the ProxyScope that Inbound serves, and of Outbound's. */
  readonly SCOPE?: string;
  readonly OUTBOUND_SCOPE?: string;
  /** Listener port of Inbound, where the URL's port isn't it. */
  readonly LISTEN_PORT?: string;
  /** The service behind an inbound gateway: binding, or base URL; without both, its endpoints of the registry. */
  readonly APP?: Fetcher;
  readonly APP_URL?: string;
  /** Who may see config_dump and stats. */
  readonly ADMIN_TOKEN?: string;
  readonly SOFT_TTL_MS?: string;
  readonly WAIT_TTL_MS?: string;
  readonly HARD_TTL_MS?: string;
  /** `bindings`: entrypoint Inbound is reached by service bindings alone. @default anybody may */
  readonly INBOUND_CALLERS?: string;
}

export type Direction = 'inbound' | 'outbound';

/** @throws Error naming the variable that is missing or isn't JSON. */
export function scopeOf(direction: Direction, env: GatewayEnv): ProxyScope {
  const name = direction === 'inbound' ? 'SCOPE' : 'OUTBOUND_SCOPE';
  const text = env[name];
  if (text === undefined) throw new Error(`no scope for ${direction}: set ${name}`);
  try {
    return JSON.parse(text) as ProxyScope;
  } catch {
    throw new Error(`${name} is no JSON: "${text.slice(0, 80)}"`);
  }
}

/** Does a deployment stand before a service that it was given itself? */
export function hasApp(env: GatewayEnv): boolean {
  return env.APP !== undefined || (env.APP_URL ?? '') !== '';
}
