/** Certificates and keys that a proxy may have: of exactly the Secrets that its snapshot names. They travel apart, and never in a snapshot. */
import { canonicalJson } from '../lib/canonical-json.ts';
import { hashName } from '../lib/hash.ts';
import { VALUES_PREFIX, valuesName } from '../lib/secret-values.ts';
import type { Resource } from '../model/api.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { SecretBundle, SecretMaterial } from '../model/secret.ts';
import type { Listener, Snapshot } from '../model/snapshot.ts';
import { filtersIn } from './filters-in.ts';

/** As Istio has it: the authorities of `x` may stand in a Secret of their own. */
const AUTHORITIES_SUFFIX = '-cacert';

/**
 * What Istio's resources name is taken from the proxy's namespace, whatever they say: nobody has granted them another one.
 * The Gateway API's references were held against grants.
 */
function isGranted({ origins = [] }: Pick<Listener, 'origins'>): boolean {
  return origins.length > 0 && origins.every(({ path }) => !path.startsWith('spec.servers'));
}

/** Paths of files, and kinds that aren't Secrets, are nobody's to give. */
const isSecret = (credential: string): boolean => /^[^/:]+(?:\/[^/:]+)?$/.test(credential);

/** `namespace/name` of every Secret that a snapshot names, sorted; what policies read by `valuesName`. */
export function secretNames({ scope, listeners, clusters }: Snapshot): readonly string[] {
  const names = new Set<string>();
  const own = `${scope.namespace}/`;
  const add = (credential: string | undefined, granted: boolean): void => {
    if (credential === undefined || !isSecret(credential)) return;
    const name = credential.includes('/') ? credential : own + credential;
    if (granted || name.startsWith(own)) names.add(name);
  };
  for (const listener of listeners) {
    for (const name of listener.tls?.credentialNames ?? []) add(name, isGranted(listener));
    add(listener.tls?.authorityName, isGranted(listener));
  }
  for (const { tls } of clusters) add(tls?.credentialName, false);
  for (const { secrets = [] } of filtersIn(listeners))
    for (const name of secrets) names.add(valuesName(name));
  return [...names].sort();
}

const ownName = (name: string): string =>
  name.startsWith(VALUES_PREFIX) ? name.slice(VALUES_PREFIX.length) : name;

/** The key of a certificate is for handshakes alone. */
const HANDSHAKE_KEYS = new Set(['tls.key', 'key']);

function valuesOf(secret: Resource | undefined): SecretMaterial | undefined {
  if (secret === undefined) return undefined;
  const entries = Object.entries(secret.data ?? {}).filter(([name]) => !HANDSHAKE_KEYS.has(name));
  return { values: Object.fromEntries(entries) };
}

function textsOf(
  secret: Resource | undefined,
  authorities: Resource | undefined,
): SecretMaterial | undefined {
  const { data = {} } = secret ?? {};
  const own = (...keys: readonly string[]): string | undefined =>
    keys.map((key) => data[key]).find((text) => text !== undefined && text !== '');
  const others = authorities?.data ?? {};
  const texts = {
    certificate: own('tls.crt', 'cert'),
    key: own('tls.key', 'key'),
    authorities: own('ca.crt', 'cacert') ?? others['ca.crt'] ?? others['cacert'],
    revoked: own('ca.crl', 'crl') ?? others['ca.crl'] ?? others['crl'],
  };
  const present = Object.entries(texts).filter(([, text]) => text !== undefined);
  return present.length === 0 ? undefined : Object.fromEntries(present);
}

const byResources = new WeakMap<readonly Resource[], ReadonlyMap<string, Resource>>();

/** The same list is looked through once. */
function secretsAmong(resources: readonly Resource[]): ReadonlyMap<string, Resource> {
  const known = byResources.get(resources);
  if (known !== undefined) return known;
  const found = new Map<string, Resource>();
  for (const resource of resources)
    if (resource.group === '' && resource.kind === 'Secret')
      found.set(`${resource.metadata.namespace}/${resource.metadata.name}`, resource);
  byResources.set(resources, found);
  return found;
}

/** Version and content of the named Secrets. */
export function secretsOf(names: readonly string[], resources: readonly Resource[]): SecretBundle {
  const all = secretsAmong(resources);
  const found = names.map((name) => {
    const secret = all.get(ownName(name));
    const authorities = all.get(`${name}${AUTHORITIES_SUFFIX}`);
    const revision = (one: Resource | undefined): string => one?.metadata.resourceVersion ?? '';
    return { name, secret, authorities, at: [name, revision(secret), revision(authorities)] };
  });
  const secrets = found.flatMap(({ name, secret, authorities }) => {
    const texts = name.startsWith(VALUES_PREFIX) ? valuesOf(secret) : textsOf(secret, authorities);
    return texts === undefined ? [] : [[name, texts] as const];
  });
  return {
    version: hashName(canonicalJson(found.map(({ at }) => at))),
    secrets: Object.fromEntries(secrets),
  };
}

/** Named Secrets that aren't there, where another namespace has one of that name: the usual mistake. */
export function misplacedSecrets(
  names: readonly string[],
  resources: readonly Resource[],
): readonly Diagnostic[] {
  const all = secretsAmong(resources);
  return names
    .map((name) => ownName(name))
    .filter((name) => !all.has(name))
    .flatMap((name): Diagnostic[] => {
      const suffix = name.slice(name.indexOf('/'));
      const others = [...all.keys()].filter((other) => other.endsWith(suffix)).sort();
      if (others.length === 0) return [];
      const message = `there is no Secret ${name}, but ${others.join(', ')}`;
      const remedy = 'apply the Secret in the namespace of the proxy that it is for';
      return [{ code: 'IST0101', level: 'warning', message, remedy }];
    });
}
