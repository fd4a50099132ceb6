/** CORS as Envoy answers it: preflights of matching origins here, headers on what others answer. */
import { linkRegex } from '../../lib/regex/match.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter, PolicyFilter } from '../../model/policy.ts';
import type { CorsConfig, OriginMatch } from './config.ts';

function linkOrigin(match: OriginMatch): (origin: string) => boolean {
  if (match.kind === 'regex') {
    const regex = linkRegex(match.program);
    return (origin) => regex.fullMatch(origin);
  }
  if (match.kind === 'prefix') return (origin) => origin.startsWith(match.value);
  return match.value === '*' ? () => true : (origin) => origin === match.value;
}

type Header = readonly [name: string, value: string];

class CorsFilter implements Filter {
  readonly #config: CorsConfig;
  readonly #origins: readonly ((origin: string) => boolean)[];
  readonly #slot: number;

  constructor(config: CorsConfig, slot: number) {
    this.#config = config;
    this.#origins = config.origins.map((match) => linkOrigin(match));
    this.#slot = slot;
  }

  request(x: Exchange): LocalReply | undefined {
    const origin = x.request.get('origin');
    if (origin === undefined || origin === '') return undefined;
    const isAllowed = this.#allows(origin);
    if (x.method === 'OPTIONS') {
      const asked = x.request.get('access-control-request-method');
      if (asked !== undefined && asked !== '') {
        if (isAllowed) return this.#answer(this.#preflight(x, origin, asked));
        return this.#config.answersUnmatched ? this.#answer([]) : undefined;
      }
    }
    if (isAllowed) x.slots[this.#slot] = origin;
    return undefined;
  }

  response(x: Exchange): void {
    const origin = x.slots[this.#slot];
    if (typeof origin !== 'string' || x.response === undefined) return;
    x.response.set('access-control-allow-origin', origin);
    if (this.#config.credentials === true)
      x.response.set('access-control-allow-credentials', 'true');
    if (this.#config.expose !== undefined)
      x.response.set('access-control-expose-headers', this.#config.expose);
  }

  #allows(origin: string): boolean {
    for (const matches of this.#origins) if (matches(origin)) return true;
    return false;
  }

  #answer(headers: readonly Header[]): LocalReply {
    return { status: 200, body: '', headers, flag: '', details: 'cors_preflight' };
  }

  /** `*` echoes what was asked for. */
  #preflight(x: Exchange, origin: string, method: string): Header[] {
    const { methods, headers, credentials, maxAgeSeconds, expose } = this.#config;
    const asked = x.request.get('access-control-request-headers');
    const list: Header[] = [['access-control-allow-origin', origin]];
    if (credentials === true) list.push(['access-control-allow-credentials', 'true']);
    if (methods !== undefined)
      list.push(['access-control-allow-methods', methods === '*' ? method : methods]);
    if (headers === '*') {
      if (asked !== undefined) list.push(['access-control-allow-headers', asked]);
    } else if (headers !== undefined) list.push(['access-control-allow-headers', headers]);
    if (expose !== undefined) list.push(['access-control-expose-headers', expose]);
    if (maxAgeSeconds !== undefined) list.push(['access-control-max-age', String(maxAgeSeconds)]);
    return list;
  }
}

export const corsFilter: PolicyFilter = {
  kind: 'cors',
  phase: 'cors',
  link: (config, { slot }) => new CorsFilter(config as CorsConfig, slot),
};
