/** A place in an expression, in UTF-16 units, as editors count. */
import { RegexSyntaxError } from './syntax.ts';

export class Scanner {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  get isDone(): boolean {
    return this.at >= this.text.length;
  }

  fault(message: string, offset: number = this.at): RegexSyntaxError {
    return new RegexSyntaxError(message, offset);
  }

  sees(text: string): boolean {
    return this.text.startsWith(text, this.at);
  }

  eat(text: string): boolean {
    if (!this.sees(text)) return false;
    this.at += text.length;
    return true;
  }

  /** `pattern` is sticky. */
  eatMatch(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match === null) return undefined;
    this.at += match[0].length;
    return match;
  }

  /** The code point that stands here; a surrogate without its other half counts by itself. */
  take(): number {
    const point = this.text.codePointAt(this.at) as number;
    this.at += point > 0xffff ? 2 : 1;
    return point;
  }
}
