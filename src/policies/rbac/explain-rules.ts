/** Why a rule doesn't hold, in the words of the resource; read only when somebody asks. */
import type { Exchange } from '../../model/exchange.ts';
import { valuesOf } from './attributes.ts';
import type { Attribute, CompiledRule, Test, TextMatch } from './config.ts';
import { linkTest } from './link-rules.ts';

const WORDS: Readonly<Partial<Record<Attribute['of'], string>>> = {
  principal: 'principal',
  namespace: 'source namespace',
  serviceAccount: 'service account',
  trustDomain: 'trust domain',
  requestPrincipal: 'request principal',
  audience: 'audience',
  presenter: 'presenter',
  sourceIp: 'source address',
  remoteIp: 'client address',
  destinationIp: 'destination address',
  sni: 'server name',
};

function attributeName(attribute: Attribute): string {
  if (attribute.of === 'header') return `header ${attribute.name}`;
  if (attribute.of === 'claim') return `claim ${attribute.path.join('.')}`;
  if (attribute.of === 'unknown') return attribute.key;
  return WORDS[attribute.of] ?? attribute.of;
}

function matchText(match: TextMatch): string {
  switch (match.kind) {
    case 'present':
      return '*';
    case 'prefix':
      return `${match.value}*`;
    case 'suffix':
      return `*${match.value}`;
    case 'glob':
      return match.parts.join('*');
    case 'pair':
      return `${matchText(match.issuer)}/${matchText(match.subject)}`;
    case 'exact':
    case 'template':
      return match.value;
    default:
      return match satisfies never;
  }
}

/** Values of requests end on terminals: a bound, and nothing that moves a cursor. */
const shown = (text: string): string =>
  JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text.replace('\0', '/'));

function seenText(x: Exchange, { attribute }: Test): string {
  const values = valuesOf(x, attribute);
  if (values === 'undecidable') return "can't be judged";
  return values.length === 0 ? 'is absent' : `is ${values.map((value) => shown(value)).join(', ')}`;
}

function testText(test: Test): string {
  const list = (values: readonly string[] | undefined, word: string): string =>
    values === undefined ? '' : `${word} ${values.join(' or ')}`;
  return [
    list(test.values?.map((match) => matchText(match)) ?? test.blocks, 'want'),
    list(test.notValues?.map((match) => matchText(match)) ?? test.notBlocks, 'want none of'),
  ]
    .filter((text) => text !== '')
    .join(' and ');
}

const holds = (test: Test, x: Exchange): boolean => linkTest(test)(x) === true;

function failing(tests: readonly Test[], x: Exchange): Test | undefined {
  return tests.find((test) => !holds(test, x));
}

/** The entry that came furthest says it best. */
function ofEntries(entries: readonly (readonly Test[])[], x: Exchange): Test | undefined {
  if (entries.length === 0 || entries.some((tests) => failing(tests, x) === undefined))
    return undefined;
  const depth = (tests: readonly Test[]): number => tests.findIndex((test) => !holds(test, x));
  const [nearest] = entries.toSorted((a, b) => depth(b) - depth(a));
  return nearest === undefined ? undefined : failing(nearest, x);
}

/** Undefined = the rule holds. */
export function whyNot(rule: CompiledRule, x: Exchange): string | undefined {
  const test =
    ofEntries(rule.sources, x) ?? ofEntries(rule.operations, x) ?? failing(rule.conditions, x);
  return test === undefined
    ? undefined
    : `${attributeName(test.attribute)} ${seenText(x, test)}, ${testText(test)}`;
}
