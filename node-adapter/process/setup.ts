/** What a worker is told to be, as plain data. */
import type { ConnectionLimits } from '../limits.ts';
import type { AppAddress } from '../front-setting.ts';
import type { CredentialFiles } from '../../src/lib/file-credential.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';

interface At {
  readonly host: string;
  readonly port: number;
}

/** A socket to listen on, and what comes by it. */
export type FrontPlan =
  | (At & { readonly kind: 'inbound'; readonly listenerPort: number })
  | (At & { readonly kind: 'proxy' })
  | (At & { readonly kind: 'service'; readonly service: string; readonly servicePort: number })
  | {
      readonly kind: 'gateway';
      readonly host: string;
      /** Ports of the configuration and where they are listened on instead. */
      readonly map: Readonly<Record<number, number>>;
      /** Added to ports below 1024 that the map doesn't have. */
      readonly offset: number;
    };

export interface WorkerSetup {
  readonly scopes: readonly ProxyScope[];
  readonly app?: AppAddress;
  readonly limits?: Partial<ConnectionLimits>;
  /** Of clients at a time, in each worker; 0 = any number. @default half of its file descriptors, less 64 */
  readonly maxConnections?: number;
  readonly upgrades?: readonly string[];
  readonly accessLog: boolean;
  /** Files of the workload's certificate of the mesh. */
  readonly identity?: CredentialFiles;
}

const PRIVILEGED = 1024;

/** Where a gateway's port of the configuration is listened on. */
export function gatewayPort(
  { map, offset }: Pick<FrontPlan & { kind: 'gateway' }, 'map' | 'offset'>,
  port: number,
): number {
  return map[port] ?? (port < PRIVILEGED ? port + offset : port);
}
