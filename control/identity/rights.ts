/** Who may see the authority, and who may change it: both are of the whole mesh. */
import type { Ctx } from '../admin/context.ts';
import { permit } from '../admin/context.ts';

/** @throws Problem 403 */
export const mayRead = (c: Ctx): void => permit(c, 'list', { kind: 'identities' });
/** @throws Problem 403 */
export const mayChange = (c: Ctx): void => permit(c, 'update', { kind: 'authority' });
