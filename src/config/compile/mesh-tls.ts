/** Mutual TLS of the mesh towards a service: whether its endpoints take it, and whom they must show. */
import { TLS_MODE_LABEL } from '../../model/tls-mode.ts';
import type { CompileContext } from './context.ts';
import { namespaceMtls } from './peer-authentication.ts';
import type { Service } from './services.ts';

/** Some endpoint says that it does, and nobody says that they don't. Its workloads' own policies aren't asked. */
export function takesAutoMtls(context: CompileContext, service: Service): boolean {
  if (!context.mesh.autoMtls || service.location === 'MESH_EXTERNAL') return false;
  const isTaken = service.endpoints.some(({ labels }) => labels?.[TLS_MODE_LABEL] === 'istio');
  return isTaken && namespaceMtls(context, service.namespace) !== 'DISABLE';
}

/** Of all endpoints that have one. @param accounts what stands before the name of a service account */
export function identitiesOf({ endpoints }: Service, accounts: string): readonly string[] {
  const named = endpoints.flatMap(({ serviceAccount }) =>
    serviceAccount === undefined || serviceAccount === '' ? [] : [accounts + serviceAccount],
  );
  return [...new Set(named)].sort();
}
