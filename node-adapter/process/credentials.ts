/**
 * Secrets that come with configuration, looked at when they come: whoever made a mistake is told at once and by name,
 * not when the first client fails.
 */
import type { Listener, ListenerTls } from '../../src/model/snapshot.ts';
import { logLine } from '../config/source.ts';
import { isSameMaterial } from '../secrets.ts';
import type { SecretMaterial } from '../secrets.ts';
import { checkMaterial } from '../tls/pem.ts';

type Given = Readonly<Record<string, SecretMaterial>>;

interface Looked {
  readonly material: SecretMaterial;
  /** The last that was whole. */
  readonly good?: SecretMaterial;
}

/** Of a Secret: neither files nor a ConfigMap. */
const SECRET = /^[^/:]+\/[^/:]+$/;
/** A configuration follows the secrets that it names, and may no more name those that went. */
const SETTLE_MS = 100;

export class Credentials {
  readonly #log: (line: string) => void;
  readonly #listeners: () => readonly Listener[];
  #looked: ReadonlyMap<string, Looked> = new Map();
  /** Undefined = none was given yet: they may be on their way. */
  #given: Given | undefined;
  #missing: ReadonlySet<string> = new Set();
  #soon: NodeJS.Timeout | undefined;

  constructor(log: (line: string) => void, listeners: () => readonly Listener[]) {
    this.#log = log;
    this.#listeners = listeners;
  }

  /** What is to be used of it: in the place of one that is broken its last good predecessor. */
  take(given: Given): Given {
    const before = this.#looked;
    const now = Object.entries(given).map(
      ([name, material]) => [name, this.#look(name, material, before.get(name))] as const,
    );
    this.#looked = new Map(now);
    this.#given = given;
    this.review();
    // One that never was whole goes on: perhaps what is broken in it isn't needed.
    return Object.fromEntries(now.map(([name, { material, good = material }]) => [name, good]));
  }

  /** Soon says which Secrets aren't there that listeners name, each once. */
  review(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#sayMissing();
    }, SETTLE_MS).unref();
  }

  stop(): void {
    clearTimeout(this.#soon);
  }

  #look(name: string, material: SecretMaterial, before: Looked | undefined): Looked {
    if (before !== undefined && isSameMaterial(before.material, material)) return before;
    try {
      checkMaterial(material);
      return { material, good: material };
    } catch (error) {
      const good = before?.good;
      const message =
        good === undefined
          ? 'a Secret can not be used'
          : 'a changed Secret can not be used, the last good one stays';
      const reason = error instanceof Error ? error.message : 'unknown';
      this.#log(JSON.stringify({ level: 'error', message, credential: name, reason }));
      return { material, ...(good === undefined ? {} : { good }) };
    }
  }

  #sayMissing(): void {
    const given = this.#given;
    if (given === undefined) return;
    const missing = new Map<string, number>();
    for (const { port, tls } of this.#listeners())
      for (const name of lackingOf(tls, given)) missing.set(name, port);
    for (const [name, port] of missing)
      if (!this.#missing.has(name)) this.#log(missingLine(name, port, Object.keys(given)));
    this.#missing = new Set(missing.keys());
  }
}

/** Whose certificates are shown, and by whose authorities clients are held. */
function lackingOf(tls: ListenerTls | undefined, given: Given): readonly string[] {
  const { credentialNames = [], authorityName } = tls ?? {};
  const get = (name: string): SecretMaterial | undefined =>
    Object.hasOwn(given, name) ? given[name] : undefined;
  const isEmpty = ({ certificate, key }: SecretMaterial): boolean =>
    certificate === undefined && key === undefined;
  return [
    ...credentialNames.filter((name) => isEmpty(get(name) ?? {})),
    ...(authorityName === undefined || get(authorityName) !== undefined ? [] : [authorityName]),
  ].filter((name) => SECRET.test(name));
}

function missingLine(name: string, port: number, all: readonly string[]): string {
  const suffix = name.slice(name.indexOf('/'));
  const others = all.filter((other) => other.endsWith(suffix));
  return logLine('warning', `no Secret ${name}, or nothing in it that is known`, {
    credential: name,
    port,
    ...(others.length === 0 ? {} : { others }),
  });
}
