/** Filters of the edge data planes. */
import type { PolicyFilter } from '../model/policy.ts';
import { accessFilter } from '../policies/access/filter.ts';
import { bodyFilter } from '../policies/body/filter.ts';
import { corsFilter } from '../policies/cors/filter.ts';
import { credentialFilter } from '../policies/credential/filter.ts';
import { faultFilter } from '../policies/fault/filter.ts';
import { headersFilter } from '../policies/headers/filter.ts';
import { jwtFilter } from '../policies/jwt/filter.ts';
import { mongoFilter } from '../policies/mongo/filter.ts';
import { customFilter } from '../policies/rbac/custom-filter.ts';
import { rbacFilter } from '../policies/rbac/filter.ts';

export const filters: readonly PolicyFilter[] = [
  credentialFilter,
  customFilter,
  jwtFilter,
  rbacFilter,
  accessFilter,
  bodyFilter,
  faultFilter,
  mongoFilter,
  corsFilter,
  headersFilter,
];
