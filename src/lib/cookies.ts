/** Cookies of a request, as its Cookie fields carry them (RFC 6265, 5.4). */

const NO_VALUES: readonly string[] = [];

const nameOf = (pair: string): string => {
  const equals = pair.indexOf('=');
  return (equals < 0 ? pair : pair.slice(0, equals)).trim();
};

/** Every value under the name, in order: a client that was given one sends one. */
export function cookieValues(fields: readonly string[], name: string): readonly string[] {
  let found: string[] | undefined;
  for (const field of fields) {
    if (!field.includes(name)) continue;
    for (const pair of field.split(';'))
      if (nameOf(pair) === name && pair.includes('='))
        (found ??= []).push(pair.slice(pair.indexOf('=') + 1).trim());
  }
  return found ?? NO_VALUES;
}

/** Names that begin so, each once. */
export function cookieNames(fields: readonly string[], prefix: string): readonly string[] {
  const names = new Set<string>();
  for (const field of fields)
    if (field.includes(prefix))
      for (const pair of field.split(';')) {
        const name = nameOf(pair);
        if (name.startsWith(prefix)) names.add(name);
      }
  return [...names];
}

/** The fields as one, without the cookies that are taken out; undefined = nothing is left. */
export function withoutCookies(
  fields: readonly string[],
  isTaken: (name: string) => boolean,
): string | undefined {
  const kept = fields
    .flatMap((field) => field.split(';'))
    .filter((pair) => pair.trim() !== '' && !isTaken(nameOf(pair)))
    .map((pair) => pair.trim());
  return kept.length === 0 ? undefined : kept.join('; ');
}
