/** Names that people type for kinds: kind, plural, short name, any case. */
import type { ResourceKind } from '../src/model/config.ts';
import { closest } from '../src/lib/similar.ts';
import { CommandError } from './errors.ts';

const shortNames: Readonly<Record<string, string>> = {
  vs: 'VirtualService',
  dr: 'DestinationRule',
  gw: 'Gateway',
  se: 'ServiceEntry',
  we: 'WorkloadEntry',
  svc: 'Service',
  cm: 'ConfigMap',
  ns: 'Namespace',
  ra: 'RequestAuthentication',
  ap: 'AuthorizationPolicy',
  sc: 'Sidecar',
  ef: 'EnvoyFilter',
  wasm: 'WasmPlugin',
  pa: 'PeerAuthentication',
  wg: 'WorkloadGroup',
  pc: 'ProxyConfig',
  tel: 'Telemetry',
};

/** @throws CommandError (exit 2) with the nearest name when there is no such kind. */
export async function findKind(text: string): Promise<ResourceKind> {
  // Their schemas take longest to load.
  const { kinds } = await import('../src/presets/control.ts');
  const wanted = (shortNames[text.toLowerCase()] ?? text).toLowerCase();
  const found = kinds.find((kind) =>
    [kind.kind, kind.plural, `${kind.plural}.${kind.group}`].some(
      (name) => name.toLowerCase() === wanted,
    ),
  );
  if (found !== undefined) return found;
  const near = closest(wanted, [...kinds.map((kind) => kind.plural), ...Object.keys(shortNames)]);
  throw new CommandError(
    `no kind "${text}"${near === undefined ? '' : `, did you mean ${near}?`}`,
    2,
  );
}

export interface Target {
  readonly kind: ResourceKind;
  readonly name: string | undefined;
}

/** `vs reviews`, `vs/reviews`, `vs`. */
export async function parseTarget(first: string, second: string | undefined): Promise<Target> {
  const [kind = '', name] = first.split('/');
  return { kind: await findKind(kind), name: name ?? second };
}

/** Path of a kind (and name) under /v1/resources. */
export function resourcePath(kind: ResourceKind, namespace?: string, name?: string): string {
  const group = kind.group === '' ? 'core' : kind.group;
  return `/v1/resources/${[group, kind.kind, namespace, name]
    .filter((part) => part !== undefined)
    .map((part) => encodeURIComponent(part))
    .join('/')}`;
}
