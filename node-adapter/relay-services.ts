import type { CredentialSource } from '../src/credential/holder.ts';
import type { Host } from '../src/host/host.ts';
import type { Exchange } from '../src/model/exchange.ts';
import type { Engine } from '../src/proxy/index.ts';
import type { Upstreams } from './pool/upstreams.ts';

/** What all relays of a proxy share. */
export interface RelayServices {
  readonly engine: Engine;
  readonly upstreams: Upstreams;
  readonly host: Host;
  /** Who this proxy is, for upstreams that want to be shown. @default nobody */
  readonly credentials?: CredentialSource;
  /** Protocols that clients may ask a connection to become, in lower case. @default websocket */
  readonly upgrades: ReadonlySet<string>;
  /** Told of each exchange when it has ended. @default nobody is */
  readonly observe?: (x: Exchange) => void;
  /** Nobody foresaw it; the request ends. */
  readonly onFault: (error: unknown) => void;
}
