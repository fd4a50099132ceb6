import type { Exchange } from '../../model/exchange.ts';
import { whyNot } from './explain-rules.ts';
import type { LinkedPolicy } from './link-rules.ts';

/** Says which rule of a policy held, or of each why it didn't. */
export function traceRule(
  x: Exchange,
  policy: LinkedPolicy,
  rule: number,
  outcome: 'denied' | 'passed',
): void {
  if (x.trace === undefined) return;
  const shadow = policy.dryRun ? ' (dry run)' : '';
  const resource = `AuthorizationPolicy ${policy.name}`;
  const step = { step: 'policy', name: policy.name } as const;
  if (rule >= 0) {
    const origin = { resource, path: `spec.rules[${rule}]` };
    x.trace.push({
      ...step,
      // What is only tried refuses nothing.
      outcome: policy.dryRun ? 'passed' : outcome,
      detail: `${policy.action} rule ${rule} matches${shadow}`,
      origin,
    });
    return;
  }
  const reasons = policy.compiled.map(
    (compiled, index) => `rule ${index}: ${whyNot(compiled, x) ?? 'not taken'}`,
  );
  const why = reasons.length === 0 ? 'it has no rules' : reasons.join('; ');
  x.trace.push({
    ...step,
    outcome: 'not-matched',
    detail: `${policy.action}, ${why}${shadow}`,
    origin: { resource, path: 'spec' },
  });
}
