/** What a proxy lacks of what it should run. */
import type { Compiled } from '../push.ts';

export interface Difference {
  readonly blobs: Readonly<Record<string, string>>;
  /** It lacks others. */
  readonly more: boolean;
}

export interface DifferenceOptions {
  /** Names of what it has. */
  readonly held: ReadonlySet<string> | undefined;
  /** Characters that may be sent. */
  readonly room: number;
  readonly read: (name: string) => Promise<string | undefined>;
}

const READS_AT_ONCE = 6;

/** Manifests and keys first: without them the rest says nothing. */
export async function differenceOf(
  { pointer, blobs }: Compiled,
  { held, room, read }: DifferenceOptions,
): Promise<Difference> {
  const all = new Set([...Object.values(pointer), ...blobs]);
  const lacking = [...all].filter((name) => held?.has(name) !== true);
  const texts: Record<string, string> = {};
  let left = room;
  for (let at = 0; at < lacking.length; at += READS_AT_ONCE) {
    if (left <= 0) return { blobs: texts, more: true };
    const names = lacking.slice(at, at + READS_AT_ONCE);
    const found = await Promise.all(names.map((name) => read(name)));
    for (const [index, name] of names.entries()) {
      const text = found[index];
      // One that was dropped meanwhile belongs to a pointer that is about to be replaced.
      if (text === undefined || text.length > left) return { blobs: texts, more: true };
      texts[name] = text;
      left -= text.length;
    }
  }
  return { blobs: texts, more: false };
}
