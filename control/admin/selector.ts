/** Label selectors as kubectl writes them: `a=b,c!=d,e,!f,g in (x,y),h notin (z)`. */
import type { Resource } from '../../src/model/api.ts';
import { Problem } from '../problem.ts';

type Labels = Readonly<Record<string, string>>;
type Test = (labels: Labels) => boolean;

const NAME = String.raw`[A-Za-z0-9][-A-Za-z0-9_./]*`;
const SET = new RegExp(String.raw`^(${NAME})\s+(in|notin)\s+\(([^()]*)\)$`);
const EQUAL = new RegExp(String.raw`^(${NAME})\s*(==|=|!=)\s*([-A-Za-z0-9_.]*)$`);
const PRESENT = new RegExp(String.raw`^(!?)\s*(${NAME})$`);

function testOf(term: string): Test {
  const [, setName = '', operator, list = ''] = SET.exec(term) ?? [];
  if (operator !== undefined) {
    const values = new Set(list.split(',').map((value) => value.trim()));
    return (labels) => values.has(labels[setName] ?? '\0') === (operator === 'in');
  }
  const [, name = '', comparison, value] = EQUAL.exec(term) ?? [];
  if (comparison !== undefined)
    return (labels) => (labels[name] === value) === (comparison !== '!=');
  const [, not, present] = PRESENT.exec(term) ?? [];
  if (present !== undefined) return (labels) => (labels[present] !== undefined) === (not === '');
  throw new Problem(
    400,
    'bad request',
    `labelSelector "${term}": want name=value, name!=value, name, !name, name in (a,b) or name notin (a,b)`,
  );
}

/** @throws Problem 400 when a term isn't one. */
export function selects(selector: string): (resource: Resource) => boolean {
  const terms = selector.split(/,(?![^(]*\))/).map((term) => term.trim());
  const tests = terms.filter((term) => term !== '').map((term) => testOf(term));
  return ({ metadata }) => tests.every((test) => test(metadata.labels ?? {}));
}
