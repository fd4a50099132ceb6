/** Ways into a proxy for those who hold it against something, as the conformance runner does. A deployment gives none. */
import type { Exchange } from '../src/model/exchange.ts';
import type { UpstreamOptions } from './pool/upstreams.ts';

export interface SidecarHooks extends Pick<UpstreamOptions, 'addressOf'> {
  /** In [0, 1): decides splits, percentages and endpoints. @default a uniform draw */
  readonly uniform?: () => number;
  /** Told of each request that reached the engine, when it has ended. */
  readonly observe?: (x: Exchange) => void;
}
