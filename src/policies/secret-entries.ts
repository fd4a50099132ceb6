import type { LinkContext } from '../model/policy.ts';

type Values = Readonly<Record<string, string>>;

/** What is made of the entries of a Secret, and made anew when they change. */
export class SecretEntries<Made> {
  readonly #context: LinkContext;
  readonly #name: string | undefined;
  readonly #make: (values: Values) => Made;
  /** As they were when they were read last. */
  #values: Values = {};
  #made: Made;

  /** @param name `namespace/name`; undefined = there is none, which is as an empty one */
  constructor(context: LinkContext, name: string | undefined, make: (values: Values) => Made) {
    this.#context = context;
    this.#name = name;
    this.#make = make;
    this.#made = make(this.#values);
  }

  /** Undefined = the Secret isn't there. */
  read(): Made | undefined {
    if (this.#name === undefined) return this.#made;
    const values = this.#context.secret?.(this.#name);
    if (values === undefined) return undefined;
    if (values !== this.#values) {
      this.#made = this.#make(values);
      this.#values = values;
    }
    return this.#made;
  }
}

/** Says which lines count for nothing, and never what stands there: it may have been put there by mistake. */
export function logSkippedLines(
  context: LinkContext,
  what: {
    readonly message: string;
    readonly policy: string;
    readonly secret: string | undefined;
    readonly lines: readonly number[];
  },
): void {
  context.host.log(JSON.stringify({ level: 'warning', ...what }));
}
