/** What a control plane knows: kinds, parts of lateen.io Policy, and the compile halves of policies. */
import type { ResourceKind } from '../model/config.ts';
import type { PolicyCompiler } from '../model/policy.ts';
import { accessCompiler } from '../policies/access/compile.ts';
import { accessPart } from '../policies/access/schema.ts';
import { apiKeysCompiler } from '../policies/api-keys/compile.ts';
import { apiKeysPart } from '../policies/api-keys/schema.ts';
import { basicAuthCompiler } from '../policies/basic-auth/compile.ts';
import { basicAuthPart } from '../policies/basic-auth/schema.ts';
import { bodyCompiler } from '../policies/body/compile.ts';
import { bodyPart } from '../policies/body/schema.ts';
import { corsCompiler } from '../policies/cors/compile.ts';
import { credentialCompiler } from '../policies/credential/compile.ts';
import { credentialPart } from '../policies/credential/schema.ts';
import { csrfCompiler } from '../policies/csrf/compile.ts';
import { csrfPart } from '../policies/csrf/schema.ts';
import { faultCompiler } from '../policies/fault/compile.ts';
import { headersCompiler } from '../policies/headers/compile.ts';
import { headersPart } from '../policies/headers/schema.ts';
import { jwtCompiler } from '../policies/jwt/compile.ts';
import { mongoCompiler } from '../policies/mongo/compile.ts';
import { mongoPart } from '../policies/mongo/schema.ts';
import { oidcCompiler } from '../policies/oidc/compile.ts';
import { oidcPart } from '../policies/oidc/schema.ts';
import { customCompiler } from '../policies/rbac/custom-compile.ts';
import { rbacCompiler } from '../policies/rbac/compile.ts';
import { securityHeadersCompiler } from '../policies/security-headers/compile.ts';
import { securityHeadersPart } from '../policies/security-headers/schema.ts';
import { gatewayApiKinds } from '../resources/gateway-api/index.ts';
import { coreKinds, istioKinds, policyKind } from '../resources/index.ts';
import type { AnyPart } from '../resources/index.ts';

export const policyParts: readonly AnyPart[] = [
  accessPart,
  apiKeysPart,
  basicAuthPart,
  bodyPart,
  credentialPart,
  csrfPart,
  headersPart,
  mongoPart,
  oidcPart,
  securityHeadersPart,
];

export const kinds: readonly ResourceKind[] = [
  ...istioKinds,
  ...gatewayApiKinds,
  ...coreKinds,
  policyKind(policyParts),
];

export const policyCompilers: readonly PolicyCompiler[] = [
  credentialCompiler,
  customCompiler,
  jwtCompiler,
  apiKeysCompiler,
  basicAuthCompiler,
  oidcCompiler,
  rbacCompiler,
  accessCompiler,
  csrfCompiler,
  bodyCompiler,
  faultCompiler,
  mongoCompiler,
  corsCompiler,
  headersCompiler,
  securityHeadersCompiler,
];
