/** What a control plane knows: kinds, and the compile halves of policies. */
import type { ResourceKind } from '../model/config.ts';
import type { PolicyCompiler } from '../model/policy.ts';
import { corsCompiler } from '../policies/cors/compile.ts';
import { faultCompiler } from '../policies/fault/compile.ts';
import { jwtCompiler } from '../policies/jwt/compile.ts';
import { customCompiler } from '../policies/rbac/custom-compile.ts';
import { rbacCompiler } from '../policies/rbac/compile.ts';
import { gatewayApiKinds } from '../resources/gateway-api/index.ts';
import { coreKinds, istioKinds } from '../resources/index.ts';

export const kinds: readonly ResourceKind[] = [...istioKinds, ...gatewayApiKinds, ...coreKinds];

export const policyCompilers: readonly PolicyCompiler[] = [
  customCompiler,
  jwtCompiler,
  rbacCompiler,
  faultCompiler,
  corsCompiler,
];
