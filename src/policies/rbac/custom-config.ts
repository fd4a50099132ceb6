import type { HttpAuthorizer } from '../../model/policy.ts';
import type { CompiledAuthorization } from './config.ts';

/** CUSTOM policies of one workload, and whom to ask about what they match. */
export interface CustomConfig {
  readonly policies: readonly CompiledAuthorization[];
  /** Absent: nobody can be asked, so what matches is refused. */
  readonly authorizer?: HttpAuthorizer & { readonly cluster: string };
}
