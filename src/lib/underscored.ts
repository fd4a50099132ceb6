const HYPHEN = 0x2d;
const UNDERSCORE = 0x5f;

/** Is it another name that a backend like CGI's reads as `name`: with `_` for one of its hyphens, or more? Both in lower case. */
export function isUnderscored(other: string, name: string): boolean {
  return other.length === name.length && other !== name && beginsLike(other, name);
}

/** Does such a backend read `name` as one that begins with `prefix`? Both in lower case. */
export function beginsLike(name: string, prefix: string): boolean {
  if (name.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) {
    const wanted = prefix.charCodeAt(i);
    const found = name.charCodeAt(i);
    if (found !== wanted && (wanted !== HYPHEN || found !== UNDERSCORE)) return false;
  }
  return true;
}
