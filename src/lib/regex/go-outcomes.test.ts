/** Go's regexp package is RE2 by another hand: what test/regex/record.go recorded of it must hold here. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RegexSyntaxError, compileRegex } from './compile.ts';
import { linkRegex } from './match.ts';
import type { RegexProgram } from './program.ts';
import { replaceAll } from './rewrite.ts';

type Admitted = readonly [
  pattern: string,
  matching: readonly string[],
  others: readonly string[],
  replaced: readonly (readonly [text: string, replaced: string])[],
];
type Refused = readonly [pattern: string, code: string, fragment: string];

const outcomes = JSON.parse(
  readFileSync(new URL('../../../test/regex/cases/go-outcomes.json', import.meta.url), 'utf8'),
) as readonly (Admitted | Refused)[];
const isRefused = (outcome: Admitted | Refused): outcome is Refused =>
  typeof outcome[1] === 'string';
const admitted = outcomes.filter((outcome) => !isRefused(outcome)) as readonly Admitted[];
const refused = outcomes.filter(isRefused);

/** Our words for Go's codes. */
const WORDS: Readonly<Record<string, RegExp>> = {
  'invalid character class range': /bad range|unknown class|unknown character property/,
  'invalid escape sequence': /unknown escape|backreferences|bad \\x escape/,
  'invalid named capture': /bad group name|lookaround/,
  'invalid or unsupported Perl syntax': /unknown kind of group|lookaround|bad group name/,
  'invalid nested repetition operator': /two in a row/,
  'invalid repeat count': /repeat count|bad repeat/,
  'missing argument to repetition operator': /missing argument/,
  'missing closing )': /missing closing \)/,
  'missing closing ]': /missing closing \]/,
  'trailing backslash at end of expression': /trailing backslash/,
  'unexpected )': /unexpected \)/,
};

function refusal(pattern: string): RegexSyntaxError | undefined {
  try {
    compileRegex(pattern);
    return undefined;
  } catch (error) {
    if (error instanceof RegexSyntaxError) return error;
    throw error;
  }
}

describe("Go's outcomes", () => {
  it('are thousands, of both kinds', () => {
    expect(admitted.length).toBeGreaterThan(1500);
    expect(refused.length).toBeGreaterThan(500);
  });

  it('what Go admits is admitted', () => {
    const wrong = admitted.flatMap(([pattern]) => {
      const error = refusal(pattern);
      return error === undefined ? [] : [`${pattern}: ${error.message}`];
    });
    expect(wrong).toEqual([]);
  });

  it('what Go refuses is refused, for the same reason and at the same place', () => {
    const wrong = refused.flatMap(([pattern, code, fragment]) => {
      const error = refusal(pattern);
      if (error === undefined) return [`${pattern}: admitted, not ${code}`];
      const isThere = pattern.startsWith(fragment, error.offset) && error.offset <= pattern.length;
      return WORDS[code]?.test(error.message) === true && isThere
        ? []
        : [`${pattern}: ${error.message} at ${error.offset}, not ${code}: ${fragment}`];
    });
    expect(wrong).toEqual([]);
  });

  it('the same whole texts match', () => {
    const wrong: string[] = [];
    for (const [pattern, matching, others] of admitted) {
      if (refusal(pattern) !== undefined) continue;
      const { fullMatch } = linkRegex(compileRegex(pattern));
      for (const text of matching) if (!fullMatch(text)) wrong.push(`${pattern} on ${text}: no`);
      for (const text of others) if (fullMatch(text)) wrong.push(`${pattern} on ${text}: yes`);
    }
    expect(wrong).toEqual([]);
  });

  it('the same parts are replaced, with the same groups', () => {
    const wrong: string[] = [];
    for (const [pattern, , , replaced] of admitted) {
      if (refusal(pattern) !== undefined) continue;
      const program = compileRegex(pattern, { captures: true });
      const groups = Array.from({ length: Math.min(program.groups, 9) + 1 }, (_, i) => `\\${i}`);
      for (const [text, want] of replaced) {
        const got = replaceAll(program, text, `<${groups.join('|')}>`);
        if (got !== want) wrong.push(`${pattern} on ${text}: ${got}, not ${want}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('texts that backtracking would never finish', () => {
  const LENGTH = 50_000;
  /** The same on every run, and nowhere periodic. */
  const noise = (letters: string): string => {
    let seed = 1;
    return Array.from({ length: LENGTH }, () => {
      seed = (seed * 1_103_515_245 + 12_345) % 0x8000_0000;
      return letters[(seed >> 16) % letters.length];
    }).join('');
  };
  const same = 'a'.repeat(LENGTH);

  /** Instructions that the automaton looks at. */
  function counted(pattern: string): { program: RegexProgram; looks: () => number } {
    const program = compileRegex(pattern);
    let looks = 0;
    const instructions = new Proxy(program.instructions, {
      get: (target, key): unknown => {
        looks++;
        return Reflect.get(target, key);
      },
    });
    return { program: { ...program, instructions }, looks: () => looks };
  }

  it.each([
    ['(a+)+$', `${same}!`, false],
    ['(a|aa)+b', same, false],
    ['(.*)*x', same, false],
    ['(a*)*(a*)*b', same, false],
    ['(((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+b', same, false],
    ['((a{0,30}){0,30})b', same, false],
    ['((a{0,10}){0,10}){0,10}b', same, false],
    ['(?:(?:a?){10}){100}a*', same, true],
    ['(a?){1000}a{1000}', same, false],
    ['(?:.*){400}x', same, false],
    ['(?i)(?:\\pL{0,20}\\d?){0,10}x', noise('aéЖ1'), false],
  ])('%s is decided by states that are kept', (pattern, text, matches) => {
    const { program, looks } = counted(pattern);
    expect(linkRegex(program).fullMatch(text)).toBe(matches);
    expect(looks()).toBeLessThan(3 * program.instructions.length * 1100);
  });

  it.each([
    ['[ab]*a[ab]{20}', true],
    ['[ab]*a[ab]{200}c', false],
    ['[ab]*a[ab]{200}\\b', true],
    ['(?:.*a.{30}|.*b.{30}){1,5}', true],
    ['(?:[ab]{0,20}a){0,20}[ab]*c', false],
  ])('%s, where hardly a state comes twice, takes instructions times characters', (pattern, is) => {
    const { program, looks } = counted(pattern);
    const text = `${noise('ab')}a${'b'.repeat(pattern === '[ab]*a[ab]{20}' ? 20 : 200)}`;
    expect(linkRegex(program).fullMatch(text)).toBe(is);
    expect(looks()).toBeLessThan(3 * program.instructions.length * text.length);
  });

  it('counted repeats of counted repeats are refused before they are unrolled', () => {
    expect(refusal('(((((a{1000}){1000}){1000}){1000}){1000})')?.message).toContain('1000');
    expect(refusal('((((){1000}){1000}){1000}){1000}')?.message).toContain('1000');
  });
});
