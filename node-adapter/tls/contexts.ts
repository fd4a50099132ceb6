/**
 * What is dear to make out of secrets (SecureContexts, TLS servers) is made once for each use of them, and anew when
 * they change. Connections that stand keep what they began with.
 */
import { isSameMaterial } from '../secrets.ts';
import type { SecretMaterial, Secrets } from '../secrets.ts';

/** Without it nothing is secured: the connection isn't made, or not taken. */
export class SecretFault extends Error {
  override readonly name: string = 'SecretFault';
}

/** Whose certificate the mesh gave this proxy, and by whose authorities it holds others. */
export const WORKLOAD_SECRET = 'workload';

type Find = (name: string) => SecretMaterial | undefined;

interface Entry<T> {
  value: T | undefined;
  /** What `value` was made of. */
  materials: ReadonlyMap<string, SecretMaterial | undefined>;
  /** Secrets changed since it was looked at. */
  isStale: boolean;
  /** Said once, until it is something else. */
  complaint: string;
}

const MAX_ENTRIES = 1024;

export interface TlsServices {
  readonly secrets: Secrets;
  /** Takes one line, without line feed. */
  readonly log: (line: string) => void;
}

export class KeptContexts<T> {
  readonly #services: TlsServices;
  readonly #entries = new Map<string, Entry<T>>();
  readonly #unsubscribe: () => void;

  constructor(services: TlsServices) {
    this.#services = services;
    this.#unsubscribe = services.secrets.onChange(() => {
      for (const entry of this.#entries.values()) entry.isStale = true;
    });
  }

  /**
   * `make` finds secrets by name and throws where one is missing. One that is broken leaves what was made of its
   * predecessor in use; one that is gone doesn't. @throws SecretFault
   */
  get(key: string, make: (find: Find) => T): T {
    const known = this.#entries.get(key);
    if (known?.value !== undefined && !known.isStale) return known.value;
    const entry = known ?? this.#add(key);
    if (entry.value !== undefined && this.#isUnchanged(entry)) {
      entry.isStale = false;
      return entry.value;
    }
    return this.#make(entry, key, make);
  }

  get size(): number {
    return this.#entries.size;
  }

  close(): void {
    this.#unsubscribe();
    this.#entries.clear();
  }

  #add(key: string): Entry<T> {
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= MAX_ENTRIES && oldest !== undefined) this.#entries.delete(oldest);
    const entry: Entry<T> = {
      value: undefined,
      materials: new Map(),
      isStale: true,
      complaint: '',
    };
    this.#entries.set(key, entry);
    return entry;
  }

  #isUnchanged({ materials }: Entry<T>): boolean {
    for (const [name, before] of materials)
      if (!isSameMaterial(before, this.#services.secrets.get(name))) return false;
    return true;
  }

  #make(entry: Entry<T>, key: string, make: (find: Find) => T): T {
    const materials = new Map<string, SecretMaterial | undefined>();
    const find: Find = (name) => {
      const material = this.#services.secrets.get(name);
      materials.set(name, material);
      return material;
    };
    try {
      entry.value = make(find);
      entry.complaint = '';
    } catch (error) {
      const isMissing = error instanceof SecretFault;
      if (isMissing) entry.value = undefined;
      const reason = error instanceof Error ? error.message : 'unknown';
      const credential = [...materials.keys()].join(', ');
      this.#complain(
        entry,
        credential,
        entry.value === undefined ? reason : `${reason}; the last one stays`,
      );
      if (entry.value === undefined)
        throw isMissing ? error : new SecretFault(`${credential || key}: ${reason}`);
    }
    entry.materials = materials;
    entry.isStale = false;
    return entry.value;
  }

  #complain(entry: Entry<T>, credential: string, reason: string): void {
    if (entry.complaint === reason) return;
    entry.complaint = reason;
    const about = credential === '' ? {} : { credential };
    this.#services.log(
      JSON.stringify({ level: 'error', message: 'TLS can not be set up', ...about, reason }),
    );
  }
}
