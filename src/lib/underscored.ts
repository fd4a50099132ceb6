const HYPHEN = 0x2d;
const UNDERSCORE = 0x5f;

/** Is it another name that a backend like CGI's reads as `name`: with `_` for one of its hyphens, or more? Both in lower case. */
export function isUnderscored(other: string, name: string): boolean {
  if (other.length !== name.length || other === name) return false;
  for (let i = 0; i < name.length; i++) {
    const wanted = name.charCodeAt(i);
    const found = other.charCodeAt(i);
    if (found !== wanted && (wanted !== HYPHEN || found !== UNDERSCORE)) return false;
  }
  return true;
}
