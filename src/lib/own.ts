/** The value of a map under a name that somebody wrote: `constructor` is no field of a map that doesn't say it. */
export function own<Value>(
  map: Readonly<Record<string, Value>> | undefined,
  name: string,
): Value | undefined {
  return map !== undefined && Object.hasOwn(map, name) ? map[name] : undefined;
}
