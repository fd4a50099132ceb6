/** Who this proxy is, shown over Web fetch. */
import type { CredentialSource } from '../credential/holder.ts';
import { MAX_DIGESTED_BYTES } from '../credential/names.ts';
import type { Called, Sent } from '../credential/outgoing.ts';
import { credentialFor } from '../credential/outgoing.ts';
import { RequestBody } from './request-body.ts';

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

function sentBy({ url, method }: Request): Sent {
  const scheme = url.startsWith('https:') ? 'https' : 'http';
  const { pathname: path, search: query } = new URL(url);
  return { scheme, path, query, method };
}

/** @throws (rejects with) Error when there is nothing to show */
export async function attachCredential(
  request: Request,
  called: Called,
  source: CredentialSource | undefined,
  body: ArrayBuffer | undefined,
): Promise<void> {
  const bytes = body === undefined ? undefined : new Uint8Array(body);
  const headers = await credentialFor(called, sentBy(request), source, bytes);
  for (const [name, value] of headers) request.headers.set(name, value);
}
