/** A property: how a case of it is made, what is wrong with one, how a person reads it. */
import { stringify } from 'yaml';
import type { Json } from './json.ts';
import type { Random } from './random.ts';

/** What the runs met, by name. */
export class Counts {
  readonly #counts = new Map<string, number>();

  add(name: string, by = 1): void {
    this.#counts.set(name, this.of(name) + by);
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  list(): readonly (readonly [string, number])[] {
    return [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

export interface Property {
  readonly name: string;
  make(random: Random): Json;
  /** What is wrong; a throw is wrong too. */
  check(value: Json, counts: Counts): string | undefined;
  show(value: Json): string;
}

/** The same failure in other words of the input must stay the same failure. */
export interface Failure {
  readonly message: string;
  readonly signature: string;
}

export function failureOf(
  property: Property,
  value: Json,
  counts: Counts = new Counts(),
): Failure | undefined {
  try {
    const message = property.check(value, counts);
    return message === undefined
      ? undefined
      : { message, signature: message.split('\n')[0]?.replaceAll(/[^a-z ]/g, '') ?? '' };
  } catch (error) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const frame = stack.split('\n').find((line) => /^\s+at .*\/(?:src|test)\//.test(line)) ?? '';
    const name = error instanceof Error ? error.name : 'thrown';
    return { message: stack, signature: `${name} ${frame.trim()}` };
  }
}

export const yamlOf = (documents: Json): string =>
  (Array.isArray(documents) ? documents : [documents])
    .map((one) => (typeof one === 'string' ? one : stringify(one)))
    .join('---\n');
