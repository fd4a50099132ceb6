/** Certificates and keys of a proxy, by the names that its snapshot gives them. Never part of a snapshot. */
import type { SecretMaterial } from '../src/model/secret.ts';

export type { SecretMaterial };

export interface Secrets {
  /** `namespace/name` of a Secret, or `file:` and the paths that a resource names. Undefined = nobody has it. */
  get(name: string): SecretMaterial | undefined;
  /** Told after something changed. Returns what ends it. */
  onChange(listener: () => void): () => void;
}

const FIELDS = ['certificate', 'key', 'authorities', 'revoked'] as const;

function isSameValues(a: SecretMaterial['values'] = {}, b: SecretMaterial['values'] = {}): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

export function isSameMaterial(
  a: SecretMaterial | undefined,
  b: SecretMaterial | undefined,
): boolean {
  if (a === undefined || b === undefined) return a === b;
  return FIELDS.every((field) => a[field] === b[field]) && isSameValues(a.values, b.values);
}

/** Secrets that are handed over with a configuration. */
export class GivenSecrets implements Secrets {
  #given: Readonly<Record<string, SecretMaterial>> = {};
  readonly #listeners = new Set<() => void>();

  get(name: string): SecretMaterial | undefined {
    return Object.hasOwn(this.#given, name) ? this.#given[name] : undefined;
  }

  replace(given: Readonly<Record<string, SecretMaterial>>): void {
    this.#given = given;
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** One secret has a source of its own; the others are asked for the rest. */
export class OwnSecret implements Secrets {
  readonly #name: string;
  readonly #own: { readonly material: SecretMaterial | undefined } & Pick<Secrets, 'onChange'>;
  readonly #others: Secrets;

  constructor(
    name: string,
    own: { readonly material: SecretMaterial | undefined } & Pick<Secrets, 'onChange'>,
    others: Secrets,
  ) {
    this.#name = name;
    this.#own = own;
    this.#others = others;
  }

  get(name: string): SecretMaterial | undefined {
    return name === this.#name ? this.#own.material : this.#others.get(name);
  }

  onChange(listener: () => void): () => void {
    const ends = [this.#own.onChange(listener), this.#others.onChange(listener)];
    return () => {
      for (const end of ends) end();
    };
  }
}
