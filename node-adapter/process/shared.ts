/** What a node has once and tells every worker. */
import type { SecretMaterial } from '../../src/model/secret.ts';
import { GivenSecrets } from '../secrets.ts';

export class SharedSecrets extends GivenSecrets {
  all: Readonly<Record<string, SecretMaterial>> = {};
  readonly #told: (secrets: Readonly<Record<string, SecretMaterial>>) => void;

  constructor(told: (secrets: Readonly<Record<string, SecretMaterial>>) => void) {
    super();
    this.#told = told;
  }

  override replace(given: Readonly<Record<string, SecretMaterial>>): void {
    super.replace(given);
    this.all = given;
    this.#told(given);
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
