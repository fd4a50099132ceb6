/** What a gateway asks and tells the control plane. Answers are held against their shape: garbage is an error, never configuration. */
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type {
  EndpointOverlay,
  KeyOverlay,
  NamedSnapshot,
  Pointer,
  ProxyScope,
} from '../../src/model/snapshot.ts';
import type { Bundle } from './last-good.ts';

export interface ControlClientOptions {
  readonly scope: ProxyScope;
  readonly token: string;
  /** Fetch towards the control plane. */
  readonly ask: (path: string, init: RequestInit) => Promise<Response>;
}

export interface Acknowledgement {
  readonly pointer: Pointer;
  readonly ok: boolean;
  readonly diagnostics: readonly Diagnostic[];
  readonly instance: string;
}

export interface ControlClient {
  /** Undefined = what this gateway has is current. */
  pointer(known: Pointer | undefined): Promise<Pointer | undefined>;
  /** Parts of `known` that the pointer still names are not fetched again. */
  bundle(pointer: Pointer, known: Bundle | undefined): Promise<Bundle>;
  acknowledge(ack: Acknowledgement): Promise<void>;
  /** The control plane fetches a key set again, if it may; resolves when it has tried. */
  refreshKeys(uri: string): Promise<void>;
}

const TIMEOUT_MS = 5000;
const HASH = /^[0-9a-z]{8,128}$/i;

function isPointer(value: unknown): value is Pointer {
  const pointer = value as Partial<Record<keyof Pointer, unknown>> | null;
  return (
    typeof pointer === 'object' &&
    pointer !== null &&
    [pointer.snapshot, pointer.endpoints, pointer.keys].every(
      (name) => typeof name === 'string' && HASH.test(name),
    )
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function etagOf(pointer: Pointer): string {
  return `"${pointer.snapshot}.${pointer.endpoints}.${pointer.keys}"`;
}

export function createControlClient(options: ControlClientOptions): ControlClient {
  const { scope } = options;
  const base = `/v1/proxies/${[scope.type, scope.namespace, scope.name].map((part) => encodeURIComponent(part)).join('/')}`;
  const ask = (
    rest: string,
    init: { method?: string; body?: string; headers?: Record<string, string> } = {},
  ): Promise<Response> =>
    options.ask(`${base}/${rest}`, {
      ...init,
      headers: { authorization: `Bearer ${options.token}`, ...init.headers },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'manual',
    });
  const post = async (rest: string, body: unknown): Promise<void> => {
    const response = await ask(rest, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
    await response.body?.cancel();
  };
  const blob = async (hash: string): Promise<Record<string, unknown>> => {
    const response = await ask(`blobs/${hash}`);
    if (!response.ok) throw new Error(`control plane answers ${response.status} to blob ${hash}`);
    const value: unknown = await response.json();
    if (!isRecord(value)) throw new Error(`blob ${hash} is no object`);
    return value;
  };
  const snapshot = async (hash: string): Promise<NamedSnapshot> => {
    const value = await blob(hash);
    if (value['version'] !== hash || !isRecord(value['snapshot']))
      throw new Error(`blob ${hash} is not that snapshot`);
    return value as unknown as NamedSnapshot;
  };
  const overlay = async <T>(hash: string, part: string): Promise<T> => {
    const value = await blob(hash);
    if (!isRecord(value[part])) throw new Error(`blob ${hash} has no ${part}`);
    return { ...value, version: hash } as T;
  };
  return {
    async pointer(known) {
      const headers = known === undefined ? {} : { 'if-none-match': etagOf(known) };
      const response = await ask('pointer', { headers });
      if (response.status === 304) return undefined;
      if (!response.ok) throw new Error(`control plane answers ${response.status} to pointer`);
      const value: unknown = await response.json();
      if (!isPointer(value)) throw new Error('control plane answers no pointer');
      return known !== undefined && etagOf(known) === etagOf(value) ? undefined : value;
    },
    async bundle(pointer, known) {
      const [named, endpoints, keys] = await Promise.all([
        known?.named.version === pointer.snapshot ? known.named : snapshot(pointer.snapshot),
        known?.endpoints.version === pointer.endpoints
          ? known.endpoints
          : overlay<EndpointOverlay>(pointer.endpoints, 'clusters'),
        known?.keys.version === pointer.keys
          ? known.keys
          : overlay<KeyOverlay>(pointer.keys, 'sets'),
      ]);
      return { named, endpoints, keys };
    },
    acknowledge: (ack) => post('ack', ack),
    refreshKeys: (uri) => post('keys', { uri }),
  };
}
