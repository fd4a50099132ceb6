/** The threat model names the tests that guard each boundary: those that exist, and every file of attacks. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('../..', import.meta.url);
const text = readFileSync(new URL('docs/security.md', root), 'utf8');
const named = new Set(text.match(/(?<=`)[\w./-]+\.ts(?=`)/g));
const attacks = readdirSync(new URL('test/attacks', root))
  .filter((name) => name.endsWith('.test.ts') && !name.startsWith('count.'))
  .map((name) => `test/attacks/${name}`);
const boundaries = text
  .slice(text.indexOf('\n## Boundaries'), text.indexOf('\n## Assumptions'))
  .split('\n### ')
  .slice(1);

describe('docs/security.md', () => {
  it('names tests that exist', () => {
    expect(named.size).toBeGreaterThan(50);
    expect([...named].filter((file) => !existsSync(new URL(file, root)))).toEqual([]);
  });

  it('names every file of attacks', () => {
    expect(attacks.filter((file) => !named.has(file))).toEqual([]);
  });

  it.each(boundaries.map((section) => [section.split('\n')[0] ?? '', section]))(
    '%s: says what crosses, what is believed, and what guards it',
    (_title, section) => {
      for (const part of ['Crosses', 'Believed', 'Tests'])
        expect(section).toContain(`\n- **${part}**: `);
      expect(section.split('**Tests**')[1]).toMatch(/`[\w./-]+\.test\.ts`/);
    },
  );

  it('links to pages that exist', () => {
    const links = [...text.matchAll(/\]\(([\w./-]+\.md)\)/g)].map(([, link = '']) => link);
    expect(links.filter((link) => !existsSync(new URL(`docs/${link}`, root)))).toEqual([]);
  });
});
