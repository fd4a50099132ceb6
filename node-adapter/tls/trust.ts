/**
 * Whom this proxy believes to be who they show: the authorities of each trust domain, kept apart, and what holds no more.
 * It stands before the secrets, so that handshakes are made with the authorities of all domains, and judges who came
 * through one by those of the domain that he names.
 */
import type { MeshSettings, ProxyScope } from '../../src/model/snapshot.ts';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import { shownIdentity } from '../../src/lib/x509/svid.ts';
import { spiffeUri, trustDomainOf } from '../../src/lib/spiffe-id.ts';
import type { SecretMaterial, Secrets } from '../secrets.ts';
import { Roots } from './chain.ts';
import type { Link, Proof } from './chain.ts';
import { WORKLOAD_SECRET } from './contexts.ts';
import type { KnownCertificate } from './known-certificates.ts';
import { namesShown } from './server-options.ts';

/** Why somebody isn't who he shows. */
export interface Distrust {
  readonly isDenied: boolean;
  /** For the log; names no secret. */
  readonly reason: string;
}

/** A connection that stands on what its peer showed. */
export interface Held {
  readonly known: KnownCertificate;
  /** It stands no more. May come again. */
  onDistrust(distrust: Distrust): void;
}

interface Proven {
  readonly roots: Roots;
  readonly proof: Proof;
}

interface Settings {
  readonly domains: readonly string[];
  /** PEM by trust domain. */
  readonly roots: ReadonlyMap<string, readonly string[]>;
  readonly serials: ReadonlySet<string>;
  readonly identities: ReadonlySet<string>;
}

const NOTHING: Settings = {
  domains: [],
  roots: new Map(),
  serials: new Set(),
  identities: new Set(),
};
const NONE_SENT = (): readonly Link[] => [];

export class MeshTrust implements Secrets {
  readonly #secrets: Secrets;
  readonly #unsubscribe: () => void;
  readonly #listeners = new Set<() => void>();
  /** The newest last. */
  readonly #meshes = new Map<ProxyScope['type'], MeshSettings>();
  readonly #held = new Set<Held>();
  readonly #proven = new WeakMap<KnownCertificate, Proven>();
  #settings = NOTHING;
  #own: { readonly material: SecretMaterial | undefined; readonly uri: string } | undefined;
  #fingerprint = '';
  #roots: ReadonlyMap<string, Roots> = new Map();
  #workload: { readonly own: SecretMaterial; readonly whole: SecretMaterial } | undefined;

  constructor(secrets: Secrets) {
    this.#secrets = secrets;
    this.#unsubscribe = secrets.onChange(() => {
      this.#settle();
      this.#tell();
    });
  }

  close(): void {
    this.#unsubscribe();
    this.#held.clear();
  }

  /** The workload's comes with the authorities of every trust domain. */
  get(name: string): SecretMaterial | undefined {
    const own = this.#secrets.get(name);
    if (name !== WORKLOAD_SECRET || own === undefined) return own;
    if (this.#workload?.own !== own) {
      const { authorities: _own, ...rest } = own;
      const all = new Set([...this.#settings.roots.values()].flat());
      // Before any configuration nobody is known but those.
      const authorities = this.#meshes.size === 0 ? own.authorities : [...all].join('\n');
      const given = authorities === undefined || authorities === '' ? {} : { authorities };
      this.#workload = { own, whole: { ...rest, ...given } };
    }
    return this.#workload.whole;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A configuration came in force. */
  update(type: ProxyScope['type'], mesh: MeshSettings): void {
    this.#meshes.delete(type);
    this.#meshes.set(type, mesh);
    if (this.#settle()) this.#tell();
  }

  /** That of the workload's own certificate; '' = it has none. */
  get ownUri(): string {
    const material = this.#secrets.get(WORKLOAD_SECRET);
    if (this.#own?.material !== material) this.#own = { material, uri: uriOf(material) };
    return this.#own?.uri ?? '';
  }

  /** Domains of this mesh: its own, then its aliases. */
  get domains(): readonly string[] {
    return this.#settings.domains;
  }

  /** Somebody said who certifies identities: else those do who certify clients. */
  get hasRoots(): boolean {
    return [...this.#settings.roots.values()].some((pems) => pems.length > 0);
  }

  /** Undefined = he is who he shows. @param sent authorities that he sent along; asked for where they are new */
  judge(known: KnownCertificate, sent: () => readonly Link[] = NONE_SENT): Distrust | undefined {
    const { identity, fault, serial } = known;
    if (fault !== undefined || identity === undefined)
      return untrusted(fault ?? 'the certificate shows no identity of a mesh');
    const { serials, identities } = this.#settings;
    if (serials.has(serial) || identities.has(identity))
      return { isDenied: true, reason: `certificate ${serial} of ${identity} is denied` };
    const roots = this.#roots.get(trustDomainOf(identity));
    if (roots === undefined) return untrusted(`identity ${identity} is of another mesh`);
    return this.#isProven(known, roots, sent)
      ? undefined
      : untrusted(`identity ${identity} is certified by no authority of its trust domain`);
  }

  /** Told when the peer's certificate is denied, or when who certified it isn't trusted any more. Returns what ends it. */
  watch(held: Held): () => void {
    this.#held.add(held);
    return () => this.#held.delete(held);
  }

  #isProven(known: KnownCertificate, roots: Roots, sent: () => readonly Link[]): boolean {
    const nowMs = Date.now();
    const before = this.#proven.get(known);
    if (before?.roots === roots && before.proof.untilMs > nowMs) return true;
    const leaf = { x509: known.x509, read: known };
    const proof = roots.prove(leaf, [...(before?.proof.path ?? []), ...sent()], nowMs);
    if (proof === undefined) return false;
    this.#proven.set(known, { roots, proof });
    return true;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** True: something is otherwise than before. */
  #settle(): boolean {
    const settings = settingsOf([...this.#meshes.values()], this.#secrets.get(WORKLOAD_SECRET));
    const { domains, roots, serials, identities } = settings;
    const fingerprint = canonicalJson([domains, [...roots], [...serials], [...identities]]);
    if (fingerprint === this.#fingerprint) return false;
    this.#fingerprint = fingerprint;
    this.#settings = settings;
    this.#workload = undefined;
    this.#roots = new Map([...roots].map(([domain, pems]) => [domain, new Roots(pems)]));
    for (const held of this.#held) {
      const distrust = this.judge(held.known);
      if (distrust !== undefined) held.onDistrust(distrust);
    }
    return true;
  }
}

function uriOf(material: SecretMaterial | undefined): string {
  const names = material === undefined ? undefined : namesShown(material);
  const identity = names === undefined ? undefined : shownIdentity(names);
  return identity === undefined ? '' : spiffeUri(identity);
}

const untrusted = (reason: string): Distrust => ({ isDenied: false, reason });

/** What any scope's configuration denies is denied; for the rest the newest counts. */
function settingsOf(
  meshes: readonly MeshSettings[],
  workload: SecretMaterial | undefined,
): Settings {
  const mesh = meshes.at(-1);
  if (mesh === undefined) return NOTHING;
  const { trustDomain, trustDomainAliases, trust } = mesh;
  const domains = [trustDomain, ...trustDomainAliases];
  const given = new Map(Object.entries(trust?.roots ?? {}));
  const certified = given.get(trustDomain);
  // An empty list says that nobody is believed; none at all leaves it to who made the workload's certificate.
  const held = workload?.authorities === undefined ? [] : [workload.authorities];
  const own = certified?.length === 0 ? [] : [...held, ...(certified ?? [])];
  const ofMesh = domains.map((domain) => [domain, given.get(domain) ?? own] as const);
  const denied = meshes.flatMap((one) => one.trust?.denied ?? []);
  return {
    domains,
    roots: new Map([...given, ...ofMesh, [trustDomain, own]]),
    serials: new Set(denied.flatMap(({ serials }) => serials)),
    identities: new Set(
      denied.flatMap(({ identities }) => identities).flatMap((one) => namesOf(one, domains)),
    ),
  };
}

/** A workload may show its identity under any domain of the mesh. */
function namesOf(identity: string, domains: readonly string[]): readonly string[] {
  const domain = trustDomainOf(identity);
  if (!domains.includes(domain)) return [identity];
  return domains.map((other) => other + identity.slice(domain.length));
}
