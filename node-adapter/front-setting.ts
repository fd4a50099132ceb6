/** Where a proxy listens, and what comes by each of its sockets. */
import type { ListenAt } from './listening.ts';

/** Where the local application listens. */
export interface AppAddress {
  readonly host: string;
  readonly port: number;
}

/** A socket to listen on, and what comes by it. */
export type FrontSetting =
  /** Calls to the local service; `listenerPort` is the port that policies and callers name. */
  | { readonly kind: 'inbound'; readonly at: ListenAt; readonly listenerPort: number }
  /** An HTTP proxy for the local application: absolute-form, CONNECT, or a Host that the mesh knows. */
  | { readonly kind: 'proxy'; readonly at: ListenAt }
  /** One service at a port of its own, for applications that can only set a base URL. */
  | {
      readonly kind: 'service';
      readonly at: ListenAt;
      /** As the mesh knows it. */
      readonly host: string;
      readonly port: number;
    }
  /** Every port that the configuration's gateways listen on. `portOf` moves one, as 80 to 8080. */
  | {
      readonly kind: 'gateway';
      readonly host: string;
      readonly portOf?: (port: number) => number;
      /** A socket that somebody else owns, and says why it can't be had. @default one of our own */
      readonly handleFor?: (host: string, port: number) => Promise<ListenAt>;
    };
