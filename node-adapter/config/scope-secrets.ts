/** Secrets of all scopes of a proxy. They come before the configuration that names them, and those that it doesn't name stay until it is in force. */
import type { SecretMaterial } from '../../src/model/secret.ts';
import type { GivenSecrets } from '../secrets.ts';

type Material = Readonly<Record<string, SecretMaterial>>;

export class ScopeSecrets {
  readonly #into: GivenSecrets;
  readonly #given = new Map<string, Material>();
  /** Of the configurations in force. */
  readonly #used = new Map<string, Material>();
  #told = '';

  constructor(into: GivenSecrets) {
    this.#into = into;
  }

  give(scope: string, secrets: Material): void {
    this.#given.set(scope, secrets);
    this.#tell();
  }

  /** The configuration that they were given for is in force: those of the one before may go. */
  settle(scope: string): void {
    const given = this.#given.get(scope);
    if (given === undefined || given === this.#used.get(scope)) return;
    this.#used.set(scope, given);
    this.#tell();
  }

  /** One that was renewed is used at once, whatever becomes of the configuration. */
  #tell(): void {
    const all: Material = Object.assign({}, ...this.#used.values(), ...this.#given.values());
    const text = JSON.stringify(Object.entries(all).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    if (text === this.#told) return;
    this.#told = text;
    this.#into.replace(all);
  }
}
