/** Filters of the edge data planes. */
import type { PolicyFilter } from '../model/policy.ts';
import { accessFilter } from '../policies/access/filter.ts';
import { apiKeysFilter } from '../policies/api-keys/filter.ts';
import { basicAuthFilter } from '../policies/basic-auth/filter.ts';
import { bodyFilter } from '../policies/body/filter.ts';
import { corsFilter } from '../policies/cors/filter.ts';
import { credentialFilter } from '../policies/credential/filter.ts';
import { csrfFilter } from '../policies/csrf/filter.ts';
import { faultFilter } from '../policies/fault/filter.ts';
import { headersFilter } from '../policies/headers/filter.ts';
import { jwtFilter } from '../policies/jwt/filter.ts';
import { mongoFilter } from '../policies/mongo/filter.ts';
import { oidcFilter } from '../policies/oidc/filter.ts';
import { customFilter } from '../policies/rbac/custom-filter.ts';
import { rbacFilter } from '../policies/rbac/filter.ts';
import { securityHeadersFilter } from '../policies/security-headers/filter.ts';

export const filters: readonly PolicyFilter[] = [
  credentialFilter,
  customFilter,
  jwtFilter,
  apiKeysFilter,
  basicAuthFilter,
  oidcFilter,
  rbacFilter,
  accessFilter,
  csrfFilter,
  bodyFilter,
  faultFilter,
  mongoFilter,
  corsFilter,
  headersFilter,
  securityHeadersFilter,
];
