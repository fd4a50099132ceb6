/** Words that the parts of the load benchmark share. */

/** What a contender does with what comes. */
export type Work =
  /** One route to one upstream, no log. */
  | 'bare'
  /** Eight filters among `routes` routes, and a line in a log. */
  | 'filters'
  /** `routes` routes and no filter. */
  | 'routes'
  | 'tls'
  | 'tcp'
  | 'websocket';

export interface Scene {
  readonly work: Work;
  readonly routes: number;
  /** Clients and upstreams speak HTTP/2, without TLS. @default HTTP/1.1 */
  readonly isHttp2?: boolean;
}

/** Where a contender runs for one scenario. */
export interface Place {
  /** Its own. */
  readonly folder: string;
  readonly port: number;
  readonly upstream: number;
  readonly credentials: Credentials;
}

/** Of the clients, and what contenders check them by. */
export interface Credentials {
  readonly token: string;
  readonly jwks: string;
  /** Files. */
  readonly authority: string;
  readonly server: Pair;
  readonly client: Pair;
}

export interface Pair {
  readonly certificate: string;
  readonly key: string;
}

/** A program to start; undefined where a contender can't do the work. */
export interface Recipe {
  readonly command: string;
  readonly args: readonly string[];
  /** Written to its folder before. */
  readonly files: Readonly<Record<string, string>>;
}

export const ISSUER = 'https://issuer.example.com';
export const ORIGIN = 'https://app.example.com';
export const HOSTS = 10;
/** The service that every contender leads to. */
export const SERVICE = 'shop.default.svc.cluster.local';

/** Host and path of the last route, which a list reaches last. */
export function lastRoute({ routes }: Scene): { readonly host: string; readonly prefix: string } {
  return { host: `h${HOSTS - 1}.example.com`, prefix: `/v1/item${routes / HOSTS - 1}/` };
}
