/** Requests of the proxy's own over Web fetch. */
import type { Call, CallAnswer, Host } from '../host/host.ts';
import type { Dial } from './fetch.ts';
import { hostPort } from './fetch.ts';

/** Reads up to the limit and leaves the rest. */
async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array(0);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size < maxBytes) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.length;
  }
  if (size >= maxBytes) await reader.cancel().catch(() => undefined);
  const body = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body.subarray(0, maxBytes);
}

/** A binding leads to its worker whatever the URL says; without one the request goes to where the URL says. */
function hostOf({ endpoint, cluster, authority }: Call): string {
  if (endpoint === undefined) return `${cluster.service}:${cluster.port}`;
  return endpoint.address.startsWith('binding:') ? authority : hostPort(endpoint);
}

/** The authority travels beside the URL's host, as it does on requests of clients. */
function requestOf(call: Call, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, value] of call.headers) headers.append(name, value);
  headers.set('x-forwarded-host', call.authority);
  const mayHaveBody = call.method !== 'GET' && call.method !== 'HEAD';
  return new Request(`${call.scheme}://${hostOf(call)}${call.target}`, {
    method: call.method,
    headers,
    redirect: 'manual',
    signal,
    ...(call.body === undefined || !mayHaveBody ? {} : { body: call.body as BodyInit }),
  });
}

export function createCall(dial: Dial, clock: Host['clock']): Host['dial'] {
  return async (call): Promise<CallAnswer> => {
    if (call.overHttp2 === true) throw new Error("a Web fetch doesn't say what it is carried by");
    const timer = new AbortController();
    let isOver = false;
    void clock.sleep(call.timeoutMs).then(() => {
      if (!isOver) timer.abort();
      return undefined;
    });
    try {
      const response = await dial(call.endpoint, requestOf(call, timer.signal));
      const body = await readBounded(response, call.maxBodyBytes);
      return { status: response.status, headers: [...response.headers], body };
    } finally {
      isOver = true;
    }
  };
}
