import type { PolicyCompiler } from '../../model/policy.ts';
import type { HeaderEdit, HeaderEdits, HeadersConfig } from './config.ts';
import type { HeaderEditsPart, HeadersPart } from './schema.ts';
import { parseTemplate } from './template.ts';

function edits(values: Readonly<Record<string, string>> = {}): HeaderEdit[] {
  return Object.entries(values)
    .map(([name, value]) => ({ name: name.toLowerCase(), value: parseTemplate(value) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function sideOf(given: HeaderEditsPart): HeaderEdits {
  return {
    remove: (given.remove ?? []).map((name) => name.toLowerCase()).sort(),
    set: edits(given.set),
    add: edits(given.add),
  };
}

export const headersCompiler: PolicyCompiler = {
  kind: 'headers',
  phase: 'headers',
  compilePart(part, { policy }) {
    const { request, response } = part as HeadersPart;
    const config: HeadersConfig = {
      policy,
      ...(request === undefined ? {} : { request: sideOf(request) }),
      ...(response === undefined ? {} : { response: sideOf(response) }),
    };
    return { kind: 'headers', config };
  },
};
