/** Header operations: Envoy's operators in values become parts that a gateway only joins. */
import type { HeaderOperations, HeadersSpec } from '../../model/api.ts';
import type { HeaderOps, HeaderValue, TemplatePart } from '../../model/snapshot.ts';

const OPERATOR = /%(?:%|([A-Z][A-Z0-9_]*)(?:\(([^)]*)\))?(?::(\d+))?%)/g;

/** `a-%REQ(x)%` to ['a-', {op: 'REQ', args: ['x']}]; `%%` is a percent sign. */
export function parseTemplate(value: string): TemplatePart[] {
  const parts: TemplatePart[] = [];
  let literal = '';
  let at = 0;
  for (const match of value.matchAll(OPERATOR)) {
    literal += value.slice(at, match.index);
    at = match.index + match[0].length;
    const [, op, args, max] = match;
    if (op === undefined) {
      literal += '%';
      continue;
    }
    if (literal !== '') parts.push(literal);
    literal = '';
    parts.push({
      op,
      args: args === undefined ? [] : args.split('?'),
      ...(max === undefined ? {} : { max: Number(max) }),
    });
  }
  literal += value.slice(at);
  if (literal !== '' || parts.length === 0) parts.push(literal);
  return parts;
}

const isAuthority = (name: string): boolean => name === 'host' || name === ':authority';

function valuesOf(map: Readonly<Record<string, string>> | undefined): HeaderValue[] {
  return Object.entries(map ?? {})
    .map(([name, value]) => ({ name: name.toLowerCase(), value: parseTemplate(value) }))
    .filter(({ name }) => !isAuthority(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function compileHeaderOps(operations: HeaderOperations | undefined): HeaderOps | undefined {
  const remove = (operations?.remove ?? []).map((name) => name.toLowerCase());
  const set = valuesOf(operations?.set);
  const add = valuesOf(operations?.add);
  if (remove.length + set.length + add.length === 0) return undefined;
  return {
    ...(remove.length === 0 ? {} : { remove }),
    ...(set.length === 0 ? {} : { set }),
    ...(add.length === 0 ? {} : { add }),
  };
}

/** `Host` or `:authority` among request headers is an authority rewrite; set wins over add. */
export function authorityOf(headers: HeadersSpec | undefined): string | undefined {
  for (const map of [headers?.request?.set, headers?.request?.add])
    for (const [name, value] of Object.entries(map ?? {}))
      if (isAuthority(name.toLowerCase())) return value;
  return undefined;
}

/** Fields of headers.request and headers.response that an object may carry. */
export function headerFields(headers: HeadersSpec | undefined): {
  requestHeaders?: HeaderOps;
  responseHeaders?: HeaderOps;
} {
  const request = compileHeaderOps(headers?.request);
  const response = compileHeaderOps(headers?.response);
  return {
    ...(request === undefined ? {} : { requestHeaders: request }),
    ...(response === undefined ? {} : { responseHeaders: response }),
  };
}
