import { beginsLike, isUnderscored } from './underscored.ts';

/** Header fields as a list in order: the plain form of the header port, for replies and simulations. */
export class HeaderList {
  readonly joinsRepeated: boolean = false;
  editCount = 0;
  #fields: (readonly [name: string, value: string])[];

  constructor(fields: readonly (readonly [string, string])[] = []) {
    this.#fields = fields.map(([name, value]) => [name.toLowerCase(), value]);
  }

  get(name: string): string | undefined {
    const values = this.getAll(name);
    return values.length === 0 ? undefined : values.join(',');
  }

  getAll(name: string): readonly string[] {
    return this.#fields.filter(([other]) => other === name).map(([, value]) => value);
  }

  has(name: string): boolean {
    return this.#fields.some(([other]) => other === name);
  }

  set(name: string, value: string): void {
    this.editCount++;
    const at = this.#fields.findIndex(([other]) => other === name);
    if (at < 0) this.#fields.push([name, value]);
    else
      this.#fields = this.#fields.flatMap((field, index) =>
        index === at ? [[name, value] as const] : field[0] === name ? [] : [field],
      );
  }

  add(name: string, value: string): void {
    this.editCount++;
    this.#fields.push([name, value]);
  }

  remove(name: string): void {
    this.editCount++;
    this.#fields = this.#fields.filter(([other]) => other !== name);
  }

  removePrefix(prefix: string): void {
    this.editCount++;
    this.#fields = this.#fields.filter(([name]) => !beginsLike(name, prefix));
  }

  removeUnderscored(name: string): void {
    const kept = this.#fields.filter(([other]) => !isUnderscored(other, name));
    if (kept.length === this.#fields.length) return;
    this.editCount++;
    this.#fields = kept;
  }

  forEach(visit: (name: string, value: string) => void): void {
    for (const [name, value] of this.#fields) visit(name, value);
  }
}

/** A request head of given parts. */
export class RequestHeaderList extends HeaderList {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  readonly target: string;
  readonly hasBody: boolean;

  constructor(
    line: {
      readonly method: string;
      readonly scheme: 'http' | 'https';
      readonly authority: string;
      readonly target: string;
    },
    fields: readonly (readonly [string, string])[],
  ) {
    super(fields);
    this.method = line.method;
    this.scheme = line.scheme;
    this.authority = line.authority;
    this.target = line.target;
    this.hasBody = this.has('transfer-encoding') || Number(this.get('content-length') ?? 0) > 0;
  }
}

/** A response head of given parts. */
export class ResponseHeaderList extends HeaderList {
  readonly status: number;

  constructor(status: number, fields: readonly (readonly [string, string])[]) {
    super(fields);
    this.status = status;
  }
}
