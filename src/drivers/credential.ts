/** Who this proxy is, shown to upstreams that ask for it. */
import type { CredentialSource } from '../credential/holder.ts';
import type { ProofTarget } from '../credential/proof-token.ts';
import {
  CREDENTIAL_LABEL,
  DIGEST_LABEL,
  MAX_DIGESTED_BYTES,
  PROFILE_LABEL,
} from '../credential/names.ts';
import type { Exchange } from '../model/exchange.ts';
import type { Cluster, Endpoint } from '../model/snapshot.ts';
import { RequestBody } from './request-body.ts';

export type { CredentialSource } from '../credential/holder.ts';

/** What a credential is made for. */
export interface Called {
  readonly cluster: Cluster | undefined;
  readonly endpoint: Endpoint | undefined;
}

const asks = ({ endpoint }: Called): boolean => endpoint?.labels?.[CREDENTIAL_LABEL] !== undefined;

/** A proxy that stands before its own workload has nobody to prove anything to. */
const isOutward = ({ listener }: Exchange): boolean => listener?.direction !== 'inbound';

/** Is the body part of what is proven? */
export function isBound(x: Exchange): boolean {
  return asks(x) && isOutward(x) && x.endpoint?.labels?.[DIGEST_LABEL] === 'sha-256';
}

/** A body in memory; undefined = it is too large to be bound. */
export async function readWhole(
  body: ReadableStream<Uint8Array> | ArrayBuffer | RequestBody | null,
): Promise<ArrayBuffer | null | undefined> {
  if (body === null) return null;
  if (body instanceof ArrayBuffer) return body.byteLength > MAX_DIGESTED_BYTES ? undefined : body;
  const kept =
    body instanceof RequestBody ? body : new RequestBody(body, MAX_DIGESTED_BYTES, () => undefined);
  const { bytes, isWhole } = await kept.peek(MAX_DIGESTED_BYTES);
  if (!isWhole) await kept.cancel();
  return isWhole ? new Uint8Array(bytes).buffer : undefined;
}

/** The target as the receiver will see it: the mesh's name and port for it, and what is on the wire. */
function targetOf({ url, method }: Request, { service, port }: Cluster): ProofTarget {
  const scheme = url.startsWith('https:') ? 'https' : 'http';
  const { pathname: path, search: query } = new URL(url);
  return { scheme, host: service, port, path, query, method };
}

/** Undefined = the upstream doesn't ask. @throws (rejects with) Error when there is nothing to show */
export function withCredential(
  x: Exchange,
  request: Request,
  {
    called,
    source,
    body,
  }: {
    readonly called: Called;
    readonly source: CredentialSource | undefined;
    /** To be bound. */
    readonly body: ArrayBuffer | undefined;
  },
): Promise<void> | undefined {
  if (!asks(called) || !isOutward(x)) return undefined;
  return attach(request, called, source, body);
}

async function attach(
  request: Request,
  { cluster, endpoint }: Called,
  source: CredentialSource | undefined,
  body: ArrayBuffer | undefined,
): Promise<void> {
  const profile = endpoint?.labels?.[CREDENTIAL_LABEL];
  if (profile !== PROFILE_LABEL)
    throw new Error(`the upstream wants credentials of ${profile}, want ${PROFILE_LABEL}`);
  if (source === undefined || cluster === undefined)
    throw new Error('this proxy has no control plane to get a credential from');
  const bytes = body === undefined ? undefined : new Uint8Array(body);
  const headers = await source.headersFor(targetOf(request, cluster), bytes);
  for (const [name, value] of headers) request.headers.set(name, value);
}
