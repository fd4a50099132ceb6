/** The header port over Web Headers. The runtime's objects are never cloned; edits stand beside them. */
import { beginsLike, isUnderscored } from '../lib/underscored.ts';
import type { HeaderBlock, RequestHead, ResponseHead } from '../model/head.ts';

class WebHeaders implements HeaderBlock {
  /** Web Headers join repeated fields before anybody sees them. */
  readonly joinsRepeated: boolean = true;
  editCount = 0;
  readonly #received: Headers;
  /** All fields by name, where so many are asked for that one pass over the runtime's object is cheaper. */
  readonly #table: ReadonlyMap<string, string> | undefined;
  /** Values by name; empty = removed. */
  #edits: Map<string, string[]> | undefined;

  constructor(received: Headers, table?: ReadonlyMap<string, string>) {
    this.#received = received;
    this.#table = table;
  }

  get(name: string): string | undefined {
    const edited = this.#edits?.get(name);
    if (edited !== undefined) return edited.length === 0 ? undefined : edited.join(',');
    return this.#read(name) ?? undefined;
  }

  getAll(name: string): readonly string[] {
    const edited = this.#edits?.get(name);
    if (edited !== undefined) return edited;
    // The one field whose repeats a comma doesn't join (RFC 9110, 5.3).
    if (name === 'set-cookie') return this.#received.getSetCookie();
    const value = this.#read(name);
    return value === null ? [] : [value];
  }

  has(name: string): boolean {
    const edited = this.#edits?.get(name);
    return edited === undefined ? this.#read(name) !== null : edited.length > 0;
  }

  set(name: string, value: string): void {
    this.#edit(name, [value]);
  }

  add(name: string, value: string): void {
    this.#edit(name, [...this.getAll(name), value]);
  }

  remove(name: string): void {
    if (this.has(name)) this.#edit(name, []);
  }

  removePrefix(prefix: string): void {
    const names: string[] = [];
    this.forEach((name) => {
      if (beginsLike(name, prefix)) names.push(name);
    });
    for (const name of names) this.remove(name);
  }

  removeUnderscored(name: string): void {
    const names: string[] = [];
    this.forEach((other) => {
      if (isUnderscored(other, name)) names.push(other);
    });
    for (const other of names) this.remove(other);
  }

  forEach(visit: (name: string, value: string) => void): void {
    (this.#table ?? this.#received).forEach((value: string, name: string) => {
      if (this.#edits?.has(name) !== true) visit(name, value);
    });
    for (const [name, values] of this.#edits ?? []) for (const value of values) visit(name, value);
  }

  /** Makes the edits on a copy of what was received; Set-Cookie keeps its repeats. */
  applyTo(headers: Headers): void {
    if (this.#edits === undefined) return;
    for (const [name, values] of this.#edits) {
      const [first] = values;
      if (first === undefined) headers.delete(name);
      else headers.set(name, first);
      for (let i = 1; i < values.length; i++) headers.append(name, values[i] as string);
    }
  }

  /** Web Headers throw at names that no field can have, as `:method`; nobody sent those. */
  #read(name: string): string | null {
    if (this.#table !== undefined) return this.#table.get(name) ?? null;
    try {
      return this.#received.get(name);
    } catch {
      return null;
    }
  }

  #edit(name: string, values: string[]): void {
    this.editCount++;
    (this.#edits ??= new Map()).set(name, values);
  }
}

/** Path and query of a URL's text. A runtime may hand it over as received, with dot segments and backslashes in it. */
function targetOf(url: string): string {
  const slash = url.indexOf('/', url.indexOf('://') + 3);
  return slash < 0 ? '/' : url.slice(slash);
}

function authorityOf(url: string): string {
  const start = url.indexOf('://') + 3;
  const slash = url.indexOf('/', start);
  return slash < 0 ? url.slice(start) : url.slice(start, slash);
}

export class WebRequestHead extends WebHeaders implements RequestHead {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  readonly target: string;
  readonly hasBody: boolean;

  /**
   * `authority` where the runtime's own isn't what the client asked for. `parsesTarget`: the target as fetch would
   * send it, for where nothing else makes it canonical: what is decided on must be what can be forwarded.
   */
  constructor(request: Request, authority?: string, parsesTarget = false) {
    const table = new Map<string, string>();
    request.headers.forEach((value, name) => table.set(name, value));
    super(request.headers, table);
    // The runtime writes it anew each time it is asked for.
    const { url } = request;
    this.method = request.method;
    this.scheme = url.startsWith('https:') ? 'https' : 'http';
    this.authority = authority ?? table.get('host') ?? authorityOf(url);
    // Some runtimes show a stream where a length of 0 was declared.
    this.hasBody = request.body !== null && table.get('content-length') !== '0';
    this.target = targetOf(parsesTarget ? new URL(url).href : url);
  }
}

export class WebResponseHead extends WebHeaders implements ResponseHead {
  readonly status: number;

  constructor(response: Response) {
    super(response.headers);
    this.status = response.status;
  }
}
