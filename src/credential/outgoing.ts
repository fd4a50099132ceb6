/** What an attempt shows of this proxy, where its upstream asks for it by its endpoint's labels. */
import type { Exchange } from '../model/exchange.ts';
import type { Cluster, Endpoint } from '../model/snapshot.ts';
import type { CredentialSource } from './holder.ts';
import { CREDENTIAL_LABEL, DIGEST_LABEL, PROFILE_LABEL } from './names.ts';
import type { ProofTarget } from './proof-token.ts';

/** Whom an attempt goes to. */
export interface Called {
  readonly cluster: Cluster | undefined;
  readonly endpoint: Endpoint | undefined;
}

/** A proxy that stands before its own workload has nobody to prove anything to. */
export function asksForCredential(x: Exchange, { endpoint }: Called): boolean {
  return endpoint?.labels?.[CREDENTIAL_LABEL] !== undefined && x.listener?.direction !== 'inbound';
}

/** Is the body part of what is proven? */
export function bindsBody(x: Exchange): boolean {
  return asksForCredential(x, x) && x.endpoint?.labels?.[DIGEST_LABEL] === 'sha-256';
}

/** As it goes over the wire; the rest of the target is the mesh's name for the upstream. */
export type Sent = Pick<ProofTarget, 'scheme' | 'path' | 'query' | 'method'>;

/** Rejects when there is nothing to show, or nothing that the upstream would understand. */
export async function credentialFor(
  { cluster, endpoint }: Called,
  sent: Sent,
  source: CredentialSource | undefined,
  body: Uint8Array<ArrayBuffer> | undefined,
): Promise<readonly (readonly [name: string, value: string])[]> {
  const profile = endpoint?.labels?.[CREDENTIAL_LABEL];
  if (profile !== PROFILE_LABEL)
    throw new Error(`the upstream wants credentials of ${profile}, want ${PROFILE_LABEL}`);
  if (source === undefined || cluster === undefined)
    throw new Error('this proxy has no control plane to get a credential from');
  return source.headersFor({ ...sent, host: cluster.service, port: cluster.port }, body);
}
