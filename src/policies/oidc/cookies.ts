/** The cookies of a login: what is kept in them is sealed, and no script or other host reaches them. */
import { cookieNames, cookieValues, withoutCookies } from '../../lib/cookies.ts';

/** Browsers keep 4,096 bytes with the name and what stands behind. */
const CHUNK = 3800;
/** More of them would outgrow the heads that servers take. */
const MAX_CHUNKS = 4;
const MAX_LOGINS = 4;

const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax';

const setCookie = (name: string, value: string, maxAgeS: number): string =>
  `${name}=${value}; Max-Age=${maxAgeS}; ${ATTRIBUTES}`;

const expired = (name: string): string => setCookie(name, '', 0);

export class Cookies {
  readonly #name: string;
  readonly #loginPrefix: string;
  readonly #counter: string;

  constructor(name: string) {
    this.#name = name;
    this.#loginPrefix = `${name}.login.`;
    this.#counter = `${name}.logins`;
  }

  readonly isOwn = (name: string): boolean =>
    name === this.#name || name.startsWith(`${this.#name}.`);

  /** What is left for the backend; undefined = nothing. */
  others(fields: readonly string[]): string | undefined {
    return withoutCookies(fields, this.isOwn);
  }

  /** The sealed session; undefined = there is none, or not all of it, or two. */
  session(fields: readonly string[]): string | undefined {
    const values = cookieValues(fields, this.#name);
    const [first = ''] = values;
    const count = Number(/^([1-4])\./.exec(first)?.[1] ?? 0);
    if (values.length !== 1 || count === 0) return undefined;
    let text = first.slice(2);
    for (let chunk = 1; chunk < count; chunk++) {
      const [more, ...others] = cookieValues(fields, `${this.#name}.${chunk}`);
      if (more === undefined || others.length > 0) return undefined;
      text += more;
    }
    return text.length > CHUNK * MAX_CHUNKS ? undefined : text;
  }

  hasSession(fields: readonly string[]): boolean {
    return cookieValues(fields, this.#name).length > 0;
  }

  /** Undefined = it is too large. */
  writeSession(
    fields: readonly string[],
    sealed: string,
    maxAgeS: number,
  ): readonly string[] | undefined {
    const count = Math.ceil(sealed.length / CHUNK);
    if (count > MAX_CHUNKS) return undefined;
    const written = Array.from({ length: count }, (_, chunk) => {
      const text = sealed.slice(chunk * CHUNK, (chunk + 1) * CHUNK);
      return setCookie(this.#chunkName(chunk), chunk === 0 ? `${count}.${text}` : text, maxAgeS);
    });
    return [...written, ...this.#clearFrom(fields, count)];
  }

  clearSession(fields: readonly string[]): readonly string[] {
    return this.#clearFrom(fields, 0);
  }

  login(fields: readonly string[], state: string): string | undefined {
    const [value, ...others] = cookieValues(fields, this.#loginName(state));
    return others.length > 0 ? undefined : value;
  }

  /** The oldest of too many logins that were begun and never ended go. */
  writeLogin(
    fields: readonly string[],
    {
      state,
      sealed,
      maxAgeS,
    }: Readonly<Record<'state' | 'sealed', string>> & {
      readonly maxAgeS: number;
    },
  ): readonly string[] {
    const open = cookieNames(fields, this.#loginPrefix);
    const gone = open.slice(0, Math.max(0, open.length - MAX_LOGINS + 1));
    return [
      setCookie(this.#loginName(state), sealed, maxAgeS),
      ...gone.map((name) => expired(name)),
    ];
  }

  clearLogin(state: string): string {
    return expired(this.#loginName(state));
  }

  /** Logins that ended well a moment ago, one after the other. */
  logins(fields: readonly string[], nowMs: number): number {
    const [value = ''] = cookieValues(fields, this.#counter);
    const [, count = '0', untilS = '0'] = /^(\d{1,3})\.(\d{1,11})$/.exec(value) ?? [];
    return Number(untilS) * 1000 > nowMs ? Number(count) : 0;
  }

  writeLogins(count: number, untilMs: number, nowMs: number): string {
    const maxAgeS = Math.ceil((untilMs - nowMs) / 1000);
    return setCookie(this.#counter, `${count}.${Math.ceil(untilMs / 1000)}`, maxAgeS);
  }

  #chunkName(chunk: number): string {
    return chunk === 0 ? this.#name : `${this.#name}.${chunk}`;
  }

  #loginName(state: string): string {
    return this.#loginPrefix + state.slice(0, 8);
  }

  #clearFrom(fields: readonly string[], first: number): readonly string[] {
    return Array.from({ length: MAX_CHUNKS }, (_, chunk) => this.#chunkName(chunk))
      .slice(first)
      .filter((name) => cookieValues(fields, name).length > 0)
      .map((name) => expired(name));
  }
}
