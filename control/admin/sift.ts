/** Answers about many namespaces, for a credential of some: what is of others is left out. */
import type { Fields } from '../../src/lib/fields.ts';
import type { Explanation } from '../../src/simulate/explain.ts';
import { isClusterWide } from '../access/rights.ts';
import type { Ctx } from './context.ts';
import { sees } from './context.ts';

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Kinds without namespaces, by the name that findings have. */
const WIDE = ['core/Namespace', 'gateway.networking.k8s.io/GatewayClass']
  .filter((kind) => isClusterWide(kind))
  .map((kind) => `${kind.split('/')[1] ?? ''} `);

/** `Kind namespace/name`, as findings and origins have it. */
export function seesResource(c: Ctx, resource: string | undefined): boolean {
  if (c.get('principal').namespaces === undefined) return true;
  const isWide = resource === undefined || WIDE.some((kind) => resource.startsWith(kind));
  return sees(c, isWide ? undefined : resource.split(' ')[1]?.split('/')[0]);
}

/** Without entries of lists that are of another namespace's resource, and without the names of such. */
export function sift(c: Ctx, value: unknown): unknown {
  if (c.get('principal').namespaces === undefined) return value;
  if (Array.isArray(value))
    return value
      .filter((one) => {
        const resource: unknown = isFields(one) ? one['resource'] : undefined;
        return typeof resource !== 'string' || seesResource(c, resource);
      })
      .map((one: unknown) => sift(c, one));
  if (!isFields(value)) return value;
  const kept = Object.entries(value).filter(
    ([key, one]) =>
      (key !== 'resource' && key !== 'root') || typeof one !== 'string' || seesResource(c, one),
  );
  return Object.fromEntries(kept.map(([key, one]) => [key, sift(c, one)]));
}

/** A decision, whose steps by others' resources say no more than what came of them. */
export function siftDecision(c: Ctx, explanation: Explanation): Explanation {
  if (c.get('principal').namespaces === undefined) return explanation;
  let isHidden = false;
  const trace = explanation.trace.map((step) => {
    if (step.origin !== undefined && seesResource(c, step.origin.resource)) return step;
    isHidden = true;
    return { step: step.step, name: '', outcome: step.outcome };
  });
  // Advice names what decided.
  return { ...explanation, trace, advice: isHidden ? [] : explanation.advice };
}
