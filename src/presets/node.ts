/** Filters of the Node data plane. */
import type { PolicyFilter } from '../model/policy.ts';
import { corsFilter } from '../policies/cors/filter.ts';
import { faultFilter } from '../policies/fault/filter.ts';
import { jwtFilter } from '../policies/jwt/filter.ts';
import { customFilter } from '../policies/rbac/custom-filter.ts';
import { rbacFilter } from '../policies/rbac/filter.ts';

export const filters: readonly PolicyFilter[] = [
  customFilter,
  jwtFilter,
  rbacFilter,
  faultFilter,
  corsFilter,
];
