/** Session persistence of rules (experimental channel). */
import { z } from 'zod';
import type { Faults } from '../define.ts';
import { duration } from './fields.ts';

export const sessionPersistence: z.ZodType = z.strictObject({
  sessionName: z.string().max(128).optional(),
  absoluteTimeout: duration.optional(),
  idleTimeout: duration.optional(),
  type: z.enum(['Cookie', 'Header']).optional(),
  cookieConfig: z
    .strictObject({ lifetimeType: z.enum(['Permanent', 'Session']).optional() })
    .optional(),
});

interface Session {
  readonly type?: string;
  readonly absoluteTimeout?: string;
  readonly cookieConfig?: { readonly lifetimeType?: string };
}

export function checkSession(given: unknown, path: string, faults: Faults): void {
  const { type = 'Cookie', absoluteTimeout, cookieConfig } = (given ?? {}) as Session;
  if (cookieConfig?.lifetimeType === 'Permanent' && absoluteTimeout === undefined)
    faults.error(path, 'a Permanent cookie needs an absoluteTimeout, and has none');
  if (cookieConfig !== undefined && type !== 'Cookie')
    faults.error(path, `cookieConfig stands beside type ${type}, want type Cookie`);
}
