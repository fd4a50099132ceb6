/** Fills a control plane with a large mesh through its API, and asks it as a proxy does. */
import type { Resource } from '../src/model/api.ts';
import type { ProxyScope } from '../src/model/snapshot.ts';

export const ADMIN = 'administrator';

/** POST where there is a body. */
export type Ask = (path: string, body?: string, token?: string) => Promise<Response>;

const DOCUMENTS_AT_ONCE = 2000;

const documentOf = ({ group, version, kind, metadata, spec }: Resource): string =>
  JSON.stringify({
    apiVersion: group === '' ? version : `${group}/${version}`,
    kind,
    metadata,
    spec,
  });

async function answered(response: Response): Promise<string> {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${text}`);
  return text;
}

export async function applyAll(ask: Ask, resources: readonly Resource[]): Promise<void> {
  for (let at = 0; at < resources.length; at += DOCUMENTS_AT_ONCE) {
    const documents = resources.slice(at, at + DOCUMENTS_AT_ONCE).map((one) => documentOf(one));
    await answered(await ask('/v1/apply', documents.join('\n---\n')));
  }
}

/** Milliseconds until the pointer is there. */
export async function pull(ask: Ask, scope: ProxyScope, token: string): Promise<number> {
  const begun = performance.now();
  const { type, namespace, name } = scope;
  await answered(await ask(`/v1/proxies/${type}/${namespace}/${name}/pointer`, undefined, token));
  return performance.now() - begun;
}

export interface AskedProxy {
  readonly scope: ProxyScope;
  readonly token: string;
  /** Of the first pull. */
  readonly ms: number;
}

export async function firstPull(ask: Ask, scope: ProxyScope): Promise<AskedProxy> {
  const body = JSON.stringify({ name: scope.name, role: 'proxy', scopes: [scope] });
  const text = await answered(await ask('/v1/tokens', body));
  const { token } = JSON.parse(text) as { readonly token: string };
  return { scope, token, ms: await pull(ask, scope, token) };
}
