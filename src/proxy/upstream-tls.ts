/** Whether an endpoint is spoken to inside TLS: within one cluster some may be, and others not. */
import type { Cluster, Endpoint } from '../model/snapshot.ts';
import { TLS_MODE_LABEL } from '../model/tls-mode.ts';

/** Undefined = in clear. */
export function tlsTowards({ tls }: Cluster, endpoint: Endpoint | undefined): Cluster['tls'] {
  if (tls?.isAuto !== true) return tls;
  return endpoint?.labels?.[TLS_MODE_LABEL] === 'istio' ? tls : undefined;
}

/** As requests say it: what proxies agree on between themselves is none of the applications' business. */
export const schemeTowards = ({ tls }: Cluster): 'http' | 'https' =>
  tls === undefined || tls.isAuto === true ? 'http' : 'https';
