/** What the Secret holds, as it is used: the client's secret, and the keys that cookies are sealed with. */
import type { LinkContext } from '../../model/policy.ts';
import type { OidcConfig } from './config.ts';
import { readSealKeys } from './seal.ts';
import type { SealKeys } from './seal.ts';

export interface Vault {
  /** '' where the client has none. */
  readonly clientSecret: string;
  readonly keys: SealKeys;
}

type Values = Readonly<Record<string, string>>;

export class Vaults {
  readonly #config: OidcConfig;
  readonly #context: LinkContext;
  #values: Values | undefined;
  /** Undefined = what is in the Secret is no use. */
  #vault: Vault | undefined;
  #reading: Promise<void> | undefined;

  constructor(config: OidcConfig, context: LinkContext) {
    this.#config = config;
    this.#context = context;
  }

  /** The one in force, where it was read already; undefined = ask `read`. */
  get known(): Vault | undefined {
    const values = this.#context.secret?.(this.#config.secret);
    return values !== undefined && values === this.#values ? this.#vault : undefined;
  }

  /** Undefined = the Secret isn't there, or can't be used; the log says which. */
  async read(): Promise<Vault | undefined> {
    const values = this.#context.secret?.(this.#config.secret);
    if (values === undefined) return undefined;
    if (values !== this.#values) {
      this.#values = values;
      this.#vault = undefined;
      this.#reading = this.#take(values);
    }
    await this.#reading;
    return this.#vault;
  }

  async #take(values: Values): Promise<void> {
    const { clientAuthentication } = this.#config;
    const keys = await readSealKeys(values['session-keys'] ?? '');
    const clientSecret = (values['client-secret'] ?? '').trim();
    // Another may have come meanwhile.
    if (values !== this.#values) return;
    if (keys === undefined)
      this.#complain('entry session-keys has no lines of <id>:<32 bytes in base64>');
    else if (clientAuthentication !== 'none' && clientSecret === '')
      this.#complain('entry client-secret is empty');
    else this.#vault = { clientSecret, keys };
  }

  #complain(reason: string): void {
    const { policy, secret } = this.#config;
    this.#context.host.log(
      JSON.stringify({
        level: 'error',
        message: 'a Secret can not be used',
        policy,
        secret,
        reason,
      }),
    );
  }
}
