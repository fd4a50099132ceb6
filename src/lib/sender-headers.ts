/** Headers by which a proxy tells a backend who asks: no client may say them, in any spelling. */

/** Each has two spellings, and a name of many has too many. */
const MAX_DASHES = 4;

/** Names that a CGI-like backend would read as the same variable. */
export function headerSpellings(name: string): readonly string[] {
  return name
    .split('-')
    .reduce<readonly string[]>(
      (spellings, part) =>
        spellings.length === 0
          ? [part]
          : spellings.flatMap((spelling) => [`${spelling}-${part}`, `${spelling}_${part}`]),
      [],
    );
}

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const RESERVED =
  /^(?:host|cookie|connection|keep-alive|te|trailer|transfer-encoding|upgrade|content-length|x-forwarded-.*|x-envoy-.*|x-lateen-.*|proxy-.*)$/i;

/** Undefined = a policy may fill it; else what is wrong. */
export function senderHeaderFault(name: string): string | undefined {
  if (!FIELD_NAME.test(name)) return `${JSON.stringify(name)} is no header name`;
  if (name.split('-').length > MAX_DASHES + 1) return `${name} has more than ${MAX_DASHES} dashes`;
  return RESERVED.test(name) ? `${name} is the connection's or the mesh's own` : undefined;
}

/** What isn't ASCII would be another character in a header: it is percent-encoded, and so is `%`. */
export const senderText = (text: string): string =>
  text.replaceAll(/[^\x20-\x24\x26-\x7e]+/g, (part) => encodeURIComponent(part.toWellFormed()));
