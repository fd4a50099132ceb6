/** Web origins, strictly: scheme, host in lower case, port only where it isn't the scheme's own. */

export interface WebOrigin {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
}

const HOST = String.raw`(?:[a-z0-9_](?:[-a-z0-9_]*[a-z0-9_])?(?:\.[a-z0-9_](?:[-a-z0-9_]*[a-z0-9_])?)*|\[[0-9a-f:.]+\])`;
const ORIGIN = new RegExp(`^(https?)://(${HOST})(?::([1-9]\\d{0,4}))?$`, 'i');
const AUTHORITY = new RegExp(`^(${HOST})(?::([1-9]\\d{0,4}))?$`, 'i');

const portOf = (scheme: 'http' | 'https', port: string | undefined): number =>
  port === undefined ? (scheme === 'https' ? 443 : 80) : Number(port);

/** Undefined = it is none: `null`, a list, one with a path or a user. */
export function parseOrigin(text: string): WebOrigin | undefined {
  const [, schemeText = '', host = '', port] = ORIGIN.exec(text) ?? [];
  if (host === '') return undefined;
  const scheme = schemeText.toLowerCase() === 'https' ? 'https' : 'http';
  return { scheme, host: host.toLowerCase(), port: portOf(scheme, port) };
}

/** Of an authority as it was asked for. */
export function originOf(scheme: 'http' | 'https', authority: string): WebOrigin | undefined {
  const [, host = '', port] = AUTHORITY.exec(authority) ?? [];
  return host === '' ? undefined : { scheme, host: host.toLowerCase(), port: portOf(scheme, port) };
}

/** Of a URL, as Referer has it. */
export function originOfUrl(url: string): WebOrigin | undefined {
  const [, own = ''] = /^(https?:\/\/[^/?#]+)(?:[/?#]|$)/i.exec(url) ?? [];
  return parseOrigin(own);
}

export const isSameOrigin = (a: WebOrigin, b: WebOrigin): boolean =>
  a.scheme === b.scheme && a.host === b.host && a.port === b.port;

export function originText({ scheme, host, port }: WebOrigin): string {
  return port === (scheme === 'https' ? 443 : 80)
    ? `${scheme}://${host}`
    : `${scheme}://${host}:${port}`;
}
