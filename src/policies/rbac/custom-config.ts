import type { GrpcAuthorizer, HttpAuthorizer } from '../../model/authorizer.ts';
import type { CompiledAuthorization } from './config.ts';

/** CUSTOM policies of one workload that name the same provider, and whom to ask about what they match. */
export interface CustomProvider {
  readonly name: string;
  readonly policies: readonly CompiledAuthorization[];
  /** Absent: nobody can be asked, so what matches is refused. */
  readonly authorizer?: (HttpAuthorizer | GrpcAuthorizer) & { readonly cluster: string };
}

export interface CustomConfig {
  /** In the order in which they are asked; all must allow. */
  readonly providers: readonly CustomProvider[];
}
