import { expect, test } from 'vitest';
import { headSuite } from '../../test/contract/head-suite.ts';
import { makeField } from './field.ts';
import { FieldHead } from './head.ts';

// The wire knows lower case only; a driver of another protocol makes it so.
headSuite({
  name: 'decoded fields',
  make: (fields) =>
    new FieldHead(fields.map(([name, value]) => makeField(name.toLowerCase(), value))),
  keepsOrder: true,
});

test('no edit breaks out of its field', () => {
  const head = new FieldHead([]);
  head.set('x-a', ' a\r\nx-evil: 1\t');
  head.set('x-b', 'a\u010ab');
  expect([head.get('x-a'), head.get('x-b')]).toEqual(['ax-evil: 1', 'a\u00c4\u008ab']);
});
