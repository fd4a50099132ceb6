/** Until when certificates hold. */
import type { X509Certificate } from 'node:crypto';

/** Ms since the epoch; undefined = nobody can read it. */
export function expiryOf({ validTo }: X509Certificate): number | undefined {
  const ms = Date.parse(validTo);
  return Number.isNaN(ms) ? undefined : ms;
}
