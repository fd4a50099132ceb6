/** What people write of addresses, ports and times. */
import { CommandError } from '../errors.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

const MAX_PORT = 65_535;

function portOf(text: string, flag: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= MAX_PORT)) throw new CommandError(`${flag}: "${text}" is no port, 0 to 65535`, 2);
  return port;
}

/** `[host:]port`; IPv6 in brackets. */
export function parseAddress(text: string, flag: string, host = '127.0.0.1'): Address {
  const match = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d+)$/.exec(text);
  if (match === null) throw new CommandError(`${flag} ${text}: want [host:]port`, 2);
  return { host: match[1] ?? match[2] ?? host, port: portOf(match[3] ?? '', flag) };
}

/** `[host:]port[=listenerPort]`. */
export function parseInbound(text: string): Address & { readonly listenerPort?: number } {
  const [at = '', listener, ...rest] = text.split('=');
  if (rest.length > 0) throw new CommandError(`--inbound ${text}: want [host:]port[=port]`, 2);
  return {
    ...parseAddress(at, '--inbound', '0.0.0.0'),
    ...(listener === undefined ? {} : { listenerPort: portOf(listener, '--inbound') }),
  };
}

export interface ServicePort extends Address {
  readonly service: string;
  readonly servicePort: number;
}

/** `[host:]port=service[:port]`. */
export function parseServicePort(text: string, namespace: string): ServicePort {
  const match = /^([^=]+)=([^=:]+)(?::(\d+))?$/.exec(text);
  if (match === null)
    throw new CommandError(`--port ${text}: want port=service:port, as 9080=reviews:9080`, 2);
  const [, at = '', service = '', port] = match;
  const address = parseAddress(at, '--port');
  return {
    ...address,
    service: fullHost(service, namespace),
    servicePort: port === undefined ? address.port : portOf(port, '--port'),
  };
}

/** A single word is a service of the proxy's namespace. */
export function fullHost(service: string, namespace: string): string {
  return service.includes('.') ? service : `${service}.${namespace}.svc.cluster.local`;
}

/** `80=8080`, repeatedly. */
export function parseMap(list: readonly string[]): Readonly<Record<number, number>> {
  return Object.fromEntries(
    list.map((text) => {
      const [from = '', to = '', ...rest] = text.split('=');
      if (rest.length > 0 || from === '' || to === '')
        throw new CommandError(`--map ${text}: want port=port, as 80=8080`, 2);
      return [portOf(from, '--map'), portOf(to, '--map')];
    }),
  );
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `30s`, `500ms`; a number alone is seconds. */
export function parseTime(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (match === null) throw new CommandError(`${flag} ${text}: want a time as 30s or 500ms`, 2);
  return Number(match[1]) * (UNITS[match[2] ?? 's'] ?? 1);
}

export function parseLabels(list: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    list.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new CommandError(`--label ${text}: want key=value`, 2);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
