/** Documents as plain data: where their parts are, and copies with one part changed. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Step = string | number;

export const isMap = (value: unknown): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A plain `map[key] = value` would change the prototype under the key `__proto__`. */
export function setField(map: object, key: Step, value: Json): void {
  Object.defineProperty(map, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

/** Every node, parents first. */
export function pathsOf(value: Json, at: readonly Step[] = []): (readonly Step[])[] {
  if (typeof value !== 'object' || value === null) return [at];
  const children: [Step, Json][] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value);
  return [at, ...children.flatMap(([key, child]) => pathsOf(child, [...at, key]))];
}

export function valueAt(value: Json | undefined, path: readonly Step[]): Json | undefined {
  let found: Json | undefined = value;
  for (const step of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = Object.hasOwn(found, step) ? (found as Record<Step, Json>)[step] : undefined;
  }
  return found;
}

/** `by` undefined takes the node out. */
export function replaced(value: Json, path: readonly Step[], by: Json | undefined): Json {
  const [step, ...rest] = path;
  if (step === undefined) return by ?? null;
  if (typeof value !== 'object' || value === null) return value;
  const isLast = rest.length === 0;
  if (Array.isArray(value)) {
    const copy = [...value];
    if (isLast && by === undefined) copy.splice(Number(step), 1);
    else copy[Number(step)] = replaced(copy[Number(step)] ?? null, rest, by);
    return copy;
  }
  const copy: { [key: string]: Json } = {};
  for (const [key, child] of Object.entries(value)) {
    if (key !== step) setField(copy, key, child);
    else if (!isLast || by !== undefined) setField(copy, key, replaced(child, rest, by));
  }
  if (isLast && by !== undefined && !Object.hasOwn(value, step)) setField(copy, step, by);
  return copy;
}
