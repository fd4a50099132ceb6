/** Certificates that a resource names by the paths of their files, as one name that a proxy looks up like a Secret's. */

export interface CredentialFiles {
  readonly certificate?: string;
  readonly key?: string;
  readonly authorities?: string;
  readonly revoked?: string;
}

const PREFIX = 'file:';
const FIELDS = ['certificate', 'key', 'authorities', 'revoked'] as const;

const isField = (name: string): name is (typeof FIELDS)[number] =>
  FIELDS.some((field) => field === name);

/** Slashes stay readable; what would end a path doesn't. */
const escaped = (path: string): string =>
  path.replaceAll('%', '%25').replaceAll('&', '%26').replaceAll('=', '%3D');
const unescaped = (path: string): string =>
  path.replaceAll('%3D', '=').replaceAll('%26', '&').replaceAll('%25', '%');

/** `file:certificate=/etc/a.crt&key=/etc/a.key`; undefined = no path is given. */
export function fileCredential(files: CredentialFiles): string | undefined {
  const given = FIELDS.flatMap((field) => {
    const path = files[field] ?? '';
    return path === '' ? [] : [`${field}=${escaped(path)}`];
  });
  return given.length === 0 ? undefined : PREFIX + given.join('&');
}

/** Undefined = the name is no such one. */
export function readFileCredential(name: string): CredentialFiles | undefined {
  if (!name.startsWith(PREFIX)) return undefined;
  const files: { -readonly [Field in keyof CredentialFiles]: CredentialFiles[Field] } = {};
  for (const part of name.slice(PREFIX.length).split('&')) {
    const equals = part.indexOf('=');
    const field = part.slice(0, Math.max(0, equals));
    if (!isField(field)) return undefined;
    files[field] = unescaped(part.slice(equals + 1));
  }
  return files;
}
