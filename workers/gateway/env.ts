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
  /** JSON of what policies read, by `namespace/name` of the Secret and entry; a secret of the worker. */
  readonly LATEEN_SECRETS?: string;
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

type Values = Readonly<Record<string, string>>;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isValues = (value: unknown): value is Values =>
  isRecord(value) && Object.values(value).every((text) => typeof text === 'string');

/** @throws Error that says what is wrong, without a word of what it holds. */
export function secretsIn({ LATEEN_SECRETS: text = '' }: GatewayEnv): ReadonlyMap<string, Values> {
  if (text === '') return new Map();
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw new Error('LATEEN_SECRETS is no JSON');
  }
  if (!isRecord(given))
    throw new Error('LATEEN_SECRETS is no object, want {"namespace/name": {…}}');
  return new Map(
    Object.entries(given).map(([name, values]) => {
      if (!/^[^/]+\/[^/]+$/.test(name) || !isValues(values))
        throw new Error('LATEEN_SECRETS wants texts by "namespace/name" of a Secret and its entry');
      return [name, values];
    }),
  );
}

/** Does a deployment stand before a service that it was given itself? */
export function hasApp(env: GatewayEnv): boolean {
  return env.APP !== undefined || (env.APP_URL ?? '') !== '';
}
