/** Why a node didn't start, or serves nobody, and what helps. */
import { gatewayPort } from '../../node-adapter/process/index.ts';
import type { FrontPlan } from '../../node-adapter/process/index.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { CommandError } from '../errors.ts';

interface Context {
  readonly kind: 'sidecar' | 'gateway';
  readonly behind?: readonly FrontPlan[];
  readonly admin?: { readonly host: string; readonly port: number } | { readonly path: string };
}

interface SystemError extends Error {
  readonly code?: string;
  readonly host?: string;
  readonly port?: number;
  readonly address?: string;
}

/** The port of the configuration that is listened on there. */
function configuredPort(port: number, plans: readonly FrontPlan[]): number {
  for (const plan of plans) {
    if (plan.kind !== 'gateway') continue;
    const moved = [...Object.keys(plan.map).map(Number), port - plan.offset];
    const found = moved.find((from) => from > 0 && gatewayPort(plan, from) === port);
    if (found !== undefined) return found;
  }
  return port;
}

function remedyOf(
  { code, port = 0 }: SystemError,
  { kind, admin, behind = [] }: Context,
): string | undefined {
  const isAdmin = admin !== undefined && 'port' in admin && admin.port === port;
  const isGateway = kind === 'gateway' && !isAdmin;
  const configured = configuredPort(port, behind);
  if (code === 'EADDRINUSE') {
    if (isAdmin) return 'is in use: give --admin another, or --admin off';
    return isGateway
      ? `is in use: stop what listens there, or --map ${configured}=another`
      : 'is in use: stop what listens there, or give another';
  }
  if (code === 'EACCES')
    return isGateway
      ? `needs rights that this user hasn't: --map ${configured}=${configured + 8000}, or --map-offset 8000 for all ports below 1024`
      : "needs rights that this user hasn't: give one from 1024 on";
  return code === 'EADDRNOTAVAIL' ? 'is no address of this machine' : undefined;
}

/** What is told to whoever started it. */
export function startFault(error: unknown, context: Context): Error {
  if (!(error instanceof Error)) return new CommandError('unknown fault');
  const system = error as SystemError;
  const remedy = remedyOf(system, context);
  if (remedy === undefined)
    return error instanceof CommandError ? error : new CommandError(error.message);
  const host = system.host ?? system.address;
  const what = system.port === undefined ? error.message : `${host}:${system.port}`;
  return new CommandError(`${what} ${remedy}`);
}

/** Of a gateway without ports. */
export function unselected({ labels, namespace }: ProxyScope): string {
  const text = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return `no Gateway with a port selects this proxy (labels ${text.join(', ')}; namespace ${namespace}): it listens nowhere until one does; -l and -n say what it is selected by`;
}
