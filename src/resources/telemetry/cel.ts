/**
 * Is a text an expression of the Common Expression Language? Syntax alone (CEL specification, grammar): a small
 * precedence parser; types are left to who evaluates it.
 */

type Token = { readonly kind: 'value' | 'name' | 'operator'; readonly text: string };

const TOKEN =
  /\s*(?:(?<value>\d+\.\d+(?:[eE][-+]?\d+)?|0x[0-9a-fA-F]+u?|\d+u?|[rRbB]{0,2}"(?:[^"\\\n]|\\.)*"|[rRbB]{0,2}'(?:[^'\\\n]|\\.)*')|(?<name>[A-Za-z_][A-Za-z0-9_]*)|(?<operator>&&|\|\||[=!<>]=|[-+*/%!<>?:.,()[\]{}]))/y;
const BINARY = new Set([
  '&&',
  '||',
  '==',
  '!=',
  '<',
  '<=',
  '>',
  '>=',
  '+',
  '-',
  '*',
  '/',
  '%',
  'in',
]);
const MAX_DEPTH = 100;

class CelSyntaxError extends Error {}

function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  const end = source.trimEnd().length;
  while (TOKEN.lastIndex < end) {
    const at = TOKEN.lastIndex;
    const { groups } = TOKEN.exec(source) ?? {};
    if (groups === undefined) throw new CelSyntaxError(`nothing known at ${at}`);
    const kind = (['value', 'name', 'operator'] as const).find((one) => groups[one] !== undefined);
    tokens.push({ kind: kind ?? 'operator', text: groups[kind ?? ''] ?? '' });
  }
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): void {
    this.#expression();
    const left = this.#tokens[this.#at];
    if (left !== undefined) throw new CelSyntaxError(`"${left.text}" stands after the expression`);
  }

  #is(text: string): boolean {
    return this.#tokens[this.#at]?.text === text;
  }

  #take(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#at++;
    return true;
  }

  #want(text: string): void {
    if (!this.#take(text)) throw new CelSyntaxError(`"${text}" is missing`);
  }

  #expression(): void {
    if (++this.#depth > MAX_DEPTH) throw new CelSyntaxError('it is nested too deeply');
    this.#operands();
    if (this.#take('?')) {
      this.#operands();
      this.#want(':');
      this.#expression();
    }
    this.#depth--;
  }

  #operands(): void {
    this.#unary();
    while (BINARY.has(this.#tokens[this.#at]?.text ?? '')) {
      this.#at++;
      this.#unary();
    }
  }

  #unary(): void {
    while (this.#take('!') || this.#take('-'));
    this.#primary();
    for (;;) {
      if (this.#take('.')) this.#name();
      else if (this.#take('[')) this.#list(']');
      else if (this.#take('(')) this.#list(')');
      else if (this.#take('{')) this.#fields();
      else return;
    }
  }

  #name(): void {
    if (this.#tokens[this.#at]?.kind !== 'name') throw new CelSyntaxError('a name is missing');
    this.#at++;
  }

  #primary(): void {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw new CelSyntaxError('it ends where a value is missing');
    if (this.#take('(')) {
      this.#expression();
      this.#want(')');
    } else if (this.#take('[')) this.#list(']');
    else if (this.#take('{')) this.#fields();
    else if (this.#take('.')) this.#name();
    else if (token.kind === 'operator') throw new CelSyntaxError(`"${token.text}" is no value`);
    else this.#at++;
  }

  #list(end: string): void {
    while (!this.#take(end)) {
      this.#expression();
      if (!this.#take(',') && !this.#is(end)) throw new CelSyntaxError(`"${end}" is missing`);
    }
  }

  #fields(): void {
    while (!this.#take('}')) {
      this.#operands();
      this.#want(':');
      this.#expression();
      if (!this.#take(',') && !this.#is('}')) throw new CelSyntaxError('"}" is missing');
    }
  }
}

/** Undefined = it parses, or is empty; else what is wrong. */
export function celFault(source: string): string | undefined {
  if (source.trim() === '') return undefined;
  try {
    new Parser(tokensOf(source)).whole();
    return undefined;
  } catch (error) {
    if (error instanceof CelSyntaxError) return error.message;
    throw error;
  }
}
