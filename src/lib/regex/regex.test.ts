import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RegexSyntaxError } from './compile.ts';
import { compileRegex } from './compile.ts';
import { linkRegex } from './match.ts';
import { replaceAll } from './rewrite.ts';

const full = (source: string, text: string): boolean =>
  linkRegex(compileRegex(source)).fullMatch(text);
const refusal = (source: string): string => {
  try {
    compileRegex(source);
    return 'admitted';
  } catch (error) {
    return `${(error as RegexSyntaxError).message} at ${(error as RegexSyntaxError).offset}`;
  }
};

describe('regex', () => {
  it('matches whole texts with flags, classes, repeats and assertions', () => {
    expect(full('/v[0-9]+/.*', '/v12/x')).toBe(true);
    expect(full('/v[0-9]+', '/v12/x')).toBe(false);
    expect(full('(?i)abc', 'aBC')).toBe(true);
    expect(full('a.c', 'a\nc')).toBe(false);
    expect(full('(?s)a.c', 'a\nc')).toBe(true);
    expect(full('[[:alpha:]]{2,3}\\d', 'abc1')).toBe(true);
    expect(full('[^a-c]+', 'xyz')).toBe(true);
    expect(full('^/x$', '/x')).toBe(true);
    expect(full('\\bfoo\\b.*', 'foo bar')).toBe(true);
    expect(full('\\bfoo\\b.*', 'foobar')).toBe(false);
    expect(full('(?P<n>a|b)+', 'abba')).toBe(true);
    expect(full('\\Qa.b\\E', 'a.b')).toBe(true);
    expect(full('', '')).toBe(true);
    expect(full('a{,2}', 'a{,2}')).toBe(true);
  });

  it('refuses what RE2 refuses, saying why', () => {
    expect(refusal('(?=a)')).toContain('lookaround');
    expect(refusal('(a)\\1')).toContain('backreferences');
    expect(refusal('a**')).toContain('repetition');
    expect(refusal('*a')).toContain('repetition');
    expect(refusal('(a')).toContain(')');
    expect(refusal('[a')).toContain(']');
    expect(refusal('a{2,1}')).toContain('repeat');
    expect(refusal('a{1001}')).toContain('1000');
    expect(refusal('((a{100}){100}){100}')).toContain('1000');
    expect(refusal('x+(?:abcdefghijk){1000}')).toContain('too large at 17');
    expect(refusal('\\pL{1000}')).toContain('too large at 3');
  });

  it('agrees with the language of JavaScript on what both know', () => {
    const atom = fc.constantFrom(
      'a',
      'b',
      '.',
      '[ab]',
      '[^a]',
      '(?:ab|b)',
      '(?:a|b|)',
      '\\w',
      '^',
      '$',
      '\\b',
    );
    const piece = fc
      .tuple(atom, fc.constantFrom('', '*', '+', '?', '{1,2}'))
      .map(([part, repeat]) => (/^[\^$]|^\\b$/.test(part) ? part : part + repeat));
    const source = fc.array(piece, { maxLength: 5 }).map((parts) => parts.join(''));
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' '), maxLength: 8 });
    fc.assert(
      fc.property(source, text, (regex, subject) => {
        const linked = linkRegex(compileRegex(regex));
        expect(linked.fullMatch(subject)).toBe(new RegExp(`^(?:${regex})$`).test(subject));
        expect(linked.search(subject)).toBe(new RegExp(regex).test(subject));
        const program = compileRegex(regex, { captures: true });
        // JavaScript also replaces an empty match right after a match; RE2 doesn't.
        let lastEnd = -1;
        const replaced = subject.replaceAll(new RegExp(regex, 'g'), (match, offset: number) => {
          if (match === '' && offset === lastEnd) return '';
          lastEnd = offset + match.length;
          return `<${match}>`;
        });
        expect(replaceAll(program, subject, '<\\0>')).toBe(replaced);
      }),
      { numRuns: 2000 },
    );
  });

  it('stays linear where a backtracking engine explodes', () => {
    expect(full('(a+)+b', 'a'.repeat(50_000))).toBe(false);
    expect(full('(a|a)*c', 'a'.repeat(50_000))).toBe(false);
  });

  it('replaces with groups', () => {
    const program = compileRegex('/service/([^/]+)(/.*)', { captures: true });
    expect(replaceAll(program, '/service/foo/v1/api', '\\2/instance/\\1')).toBe(
      '/v1/api/instance/foo',
    );
  });
});
