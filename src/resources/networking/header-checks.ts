/** What the webhook asks of header operations. */
import type { HeadersSpec } from '../../model/api.ts';
import type { Faults } from '../define.ts';

const isAuthority = (name: string): boolean => /^(?:host|:authority)$/i.test(name);
/** Envoy's operators: a percent sign that starts none must be doubled. */
const OPERATOR = /%(?:%|[A-Z][A-Z0-9_]*(?:\([^)]*\))?(?::\d+)?%)/g;

export function checkHeaderOperations(
  headers: HeadersSpec | undefined,
  path: string,
  faults: Faults,
): void {
  for (const side of ['request', 'response'] as const) {
    const operations = headers?.[side];
    for (const verb of ['set', 'add'] as const)
      for (const [name, value] of Object.entries(operations?.[verb] ?? {})) {
        const at = `${path}.headers.${side}.${verb}`;
        if (name === '') faults.error(at, 'a header has no name');
        else if (isAuthority(name) && side === 'response')
          faults.error(at, `header ${name} can't be set on responses`);
        else if (name.startsWith(':') && !isAuthority(name))
          faults.error(at, `header ${name} is reserved, want another way to change it`);
        if (/[\r\n\0]/.test(value)) faults.error(at, `value of header ${name} has a line break`);
        if (value.replaceAll(OPERATOR, '').includes('%'))
          faults.error(
            at,
            `value of header ${name} has a lone % that starts no operator, write %%`,
          );
      }
    for (const [index, name] of (operations?.remove ?? []).entries()) {
      const at = `${path}.headers.${side}.remove[${index}]`;
      if (name === '') faults.error(at, 'a header has no name');
      else if (name.startsWith(':') || isAuthority(name))
        faults.error(at, `${name} can't be removed (Host and names starting with : stay)`);
    }
  }
}
