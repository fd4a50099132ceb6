/** What a node has once and tells every worker. */
import type { SecretMaterial } from '../../src/model/secret.ts';
import { GivenSecrets } from '../secrets.ts';
import type { Credentials } from './credentials.ts';

export class SharedSecrets extends GivenSecrets {
  all: Readonly<Record<string, SecretMaterial>> = {};
  readonly #credentials: Credentials;
  readonly #told: (secrets: Readonly<Record<string, SecretMaterial>>) => void;
  #usable: Readonly<Record<string, SecretMaterial>> = {};
  #own: Readonly<Record<string, SecretMaterial>> = {};

  constructor(
    credentials: Credentials,
    told: (secrets: Readonly<Record<string, SecretMaterial>>) => void,
  ) {
    super();
    this.#credentials = credentials;
    this.#told = told;
  }

  override replace(given: Readonly<Record<string, SecretMaterial>>): void {
    this.#usable = this.#credentials.take(given);
    this.#put();
  }

  /** What no configuration brings, and none replaces. */
  setOwn(own: Readonly<Record<string, SecretMaterial>>): void {
    this.#own = own;
    this.#put();
  }

  #put(): void {
    this.all = { ...this.#usable, ...this.#own };
    super.replace(this.all);
    this.#told(this.all);
  }
}

export class AccessLogSwitch {
  #isOn: boolean;
  readonly #told: (isOn: boolean) => void;

  constructor(isOn: boolean, told: (isOn: boolean) => void) {
    this.#isOn = isOn;
    this.#told = told;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  set isOn(isOn: boolean) {
    this.#isOn = isOn;
    this.#told(isOn);
  }
}
