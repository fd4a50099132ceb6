/**
 * Istio's path templates: `{*}` is one segment that isn't empty, `{**}` is zero or more characters across
 * segments and stands last among the operators, literal text may follow it.
 */
type Part = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'one' | 'any' };

function partsOf(template: string): Part[] {
  return template
    .split(/(\{\*\*?\})/)
    .filter((text) => text !== '')
    .map((text): Part => {
      if (text === '{*}') return { kind: 'one' };
      if (text === '{**}') return { kind: 'any' };
      return { kind: 'text', text };
    });
}

export function isPathTemplate(path: string): boolean {
  return path.includes('{*}') || path.includes('{**}');
}

/** What is wrong with a template, or undefined. */
export function pathTemplateFault(template: string): string | undefined {
  const parts = partsOf(template);
  const anyAt = parts.findIndex((part) => part.kind === 'any');
  if (anyAt >= 0 && parts.slice(anyAt + 1).some((part) => part.kind !== 'text'))
    return '{**} must be the last operator';
  const segments = template.split('/');
  for (const segment of segments) {
    if (segment === '{*}' || segment === '{**}') continue;
    if (/[{}*]/.test(segment))
      return `"${segment}": an operator must fill its segment, and *, { and } stand for nothing else`;
  }
  return undefined;
}

/** A test of a canonical path without query. */
export function linkTemplate(template: string): (path: string) => boolean {
  const parts = partsOf(template);
  return (path) => {
    let at = 0;
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as Part;
      if (part.kind === 'text') {
        if (!path.startsWith(part.text, at)) return false;
        at += part.text.length;
      } else if (part.kind === 'one') {
        const end = path.indexOf('/', at);
        const next = end < 0 ? path.length : end;
        if (next === at) return false;
        at = next;
      } else {
        const tail = parts[i + 1];
        if (tail === undefined) return true;
        return (
          tail.kind === 'text' && path.length - tail.text.length >= at && path.endsWith(tail.text)
        );
      }
    }
    return at === path.length;
  };
}
