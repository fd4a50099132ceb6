/** What a node has once and tells every worker. */
import type { SecretMaterial } from '../../src/model/secret.ts';
import { GivenSecrets } from '../secrets.ts';
import type { Credentials } from './credentials.ts';

export class SharedSecrets extends GivenSecrets {
  all: Readonly<Record<string, SecretMaterial>> = {};
  readonly #credentials: Credentials;
  readonly #told: (secrets: Readonly<Record<string, SecretMaterial>>) => void;

  constructor(
    credentials: Credentials,
    told: (secrets: Readonly<Record<string, SecretMaterial>>) => void,
  ) {
    super();
    this.#credentials = credentials;
    this.#told = told;
  }

  override replace(given: Readonly<Record<string, SecretMaterial>>): void {
    const usable = this.#credentials.take(given);
    super.replace(usable);
    this.all = usable;
    this.#told(usable);
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
