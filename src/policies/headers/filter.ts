/** Edits of heads. Values are read before anything is changed, so their order in the policy means nothing. */
import type { Exchange } from '../../model/exchange.ts';
import type { HeaderBlock } from '../../model/head.ts';
import type { Filter, PolicyFilter } from '../../model/policy.ts';
import type {
  HeaderEdit,
  HeaderEdits,
  HeadersConfig,
  PlainName,
  TemplatePart,
  TemplateSource,
} from './config.ts';

const MAX_VALUE = 4096;
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;
const ALL_CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/g;
const NOT_ASCII = /[^\x00-\x7f]/;
const ALL_NOT_ASCII = /[^\x00-\x7f]/gu;

type Reader = (x: Exchange) => string | undefined;

const plain: Readonly<Record<PlainName, Reader>> = {
  'request.id': (x) => x.requestId,
  'request.method': (x) => x.method,
  'request.scheme': (x) => x.scheme,
  'request.host': (x) => x.host,
  'request.path': (x) => x.path,
  'request.query': (x) => x.query.slice(1),
  'client.ip': (x) => x.remoteIp,
  'client.country': (x) => (x.remoteIp === x.peer.ip ? x.peer.country : undefined),
  'source.principal': (x) => x.peer.principal,
  'jwt.issuer': (x) => asciiOf(x.identity?.issuer),
  'jwt.subject': (x) => asciiOf(x.identity?.subject),
  'route.name': (x) => x.route?.name,
  'trace.id': (x) => x.traceId,
  'response.status': (x) => (x.response === undefined ? undefined : String(x.response.status)),
};

/** Claims are Unicode, a field is bytes. */
function asciiOf(text: string | undefined): string | undefined {
  return text === undefined || !NOT_ASCII.test(text)
    ? text
    : text.toWellFormed().replaceAll(ALL_NOT_ASCII, (char) => encodeURIComponent(char));
}

function scalarText(value: unknown): string | undefined {
  if (typeof value === 'string') return asciiOf(value);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

function claimText(x: Exchange, path: readonly string[]): string | undefined {
  let value: unknown = x.identity?.claims;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = Object.hasOwn(value, step) ? (value as Record<string, unknown>)[step] : undefined;
  }
  if (!Array.isArray(value)) return scalarText(value);
  const texts = value.map((entry) => scalarText(entry)).filter((entry) => entry !== undefined);
  return texts.length === 0 ? undefined : texts.join(',');
}

function linkSource(source: TemplateSource): Reader {
  if ('path' in source) return (x) => claimText(x, source.path);
  if (!('name' in source)) return plain[source.of];
  const { of, name } = source;
  return of === 'request.header' ? (x) => x.request.get(name) : (x) => x.response?.get(name);
}

/** Nothing and too much are both no value: half of an identity is another one. */
function valueOf(text: string | undefined): string | undefined {
  if (text === undefined || text.length > MAX_VALUE) return undefined;
  const clean = CONTROL.test(text) ? text.replaceAll(ALL_CONTROL, '') : text;
  return clean === '' ? undefined : clean;
}

function linkTemplate(parts: readonly TemplatePart[]): Reader {
  const [only] = parts;
  if (parts.length === 1 && typeof only === 'string') return () => only;
  const readers = parts.map((part): Reader => {
    if (typeof part === 'string') return () => part;
    const read = linkSource(part.from);
    return (x) => valueOf(read(x)) ?? part.otherwise;
  });
  return (x) => {
    let text = '';
    for (const read of readers) {
      const value = read(x);
      if (value === undefined) return undefined;
      text += value;
    }
    return valueOf(text);
  };
}

interface LinkedEdit {
  readonly name: string;
  readonly read: Reader;
}

class Side {
  readonly #remove: readonly string[];
  readonly #set: readonly LinkedEdit[];
  readonly #add: readonly LinkedEdit[];

  constructor(edits: HeaderEdits) {
    const linked = ({ name, value }: HeaderEdit): LinkedEdit => ({
      name,
      read: linkTemplate(value),
    });
    this.#remove = edits.remove;
    this.#set = edits.set.map((edit) => linked(edit));
    this.#add = edits.add.map((edit) => linked(edit));
  }

  /** Gives back the names that had no value. */
  apply(x: Exchange, head: HeaderBlock): readonly string[] {
    const set = this.#set.map(({ read }) => read(x));
    const add = this.#add.map(({ read }) => read(x));
    const absent: string[] = [];
    for (const name of this.#remove) if (head.has(name)) head.remove(name);
    for (let i = 0; i < set.length; i++) {
      const { name } = this.#set[i] as LinkedEdit;
      const value = set[i];
      if (value !== undefined) head.set(name, value);
      else {
        absent.push(name);
        if (head.has(name)) head.remove(name);
      }
    }
    for (let i = 0; i < add.length; i++) {
      const { name } = this.#add[i] as LinkedEdit;
      const value = add[i];
      if (value === undefined) absent.push(name);
      else head.add(name, value);
    }
    return absent;
  }
}

class HeadersFilter implements Filter {
  readonly #policy: string;
  readonly #request: Side | undefined;
  readonly #response: Side | undefined;

  constructor({ policy, request, response }: HeadersConfig) {
    this.#policy = policy;
    this.#request = request === undefined ? undefined : new Side(request);
    this.#response = response === undefined ? undefined : new Side(response);
  }

  request(x: Exchange): undefined {
    if (this.#request !== undefined) this.#edit(x, x.request, 'request');
  }

  response(x: Exchange): void {
    if (this.#response !== undefined && x.response !== undefined)
      this.#edit(x, x.response, 'response');
  }

  #edit(x: Exchange, head: HeaderBlock, side: 'request' | 'response'): void {
    const absent = (side === 'request' ? this.#request : this.#response)?.apply(x, head) ?? [];
    x.trace?.push({
      step: 'policy',
      name: this.#policy,
      outcome: 'passed',
      detail: `headers of the ${side}${absent.length === 0 ? '' : `; without value: ${absent.join(', ')}`}`,
      origin: { resource: `Policy ${this.#policy}`, path: `spec.headers.${side}` },
    });
  }
}

export const headersFilter: PolicyFilter = {
  kind: 'headers',
  phase: 'headers',
  link: (config) => new HeadersFilter(config as HeadersConfig),
};
