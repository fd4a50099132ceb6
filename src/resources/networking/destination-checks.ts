/** What the webhook asks of a destination, wherever a rule names one. */
import { checkPort, isDnsLabel, isHostOrWildcard, isIpAddress } from '../checks.ts';
import type { Faults } from '../define.ts';

export function checkDestination(
  destination:
    | {
        readonly host?: string;
        readonly subset?: string;
        readonly port?: { readonly number?: number };
      }
    | undefined,
  path: string,
  faults: Faults,
): void {
  if (destination === undefined) {
    faults.error(path, 'destination is required');
    return;
  }
  const { host = '', subset, port } = destination;
  if (host === '*' || host.startsWith('*'))
    faults.error(`${path}.host`, `destination host ${host} is invalid: a wildcard is no host`);
  else if (!isHostOrWildcard(host) && !isIpAddress(host))
    faults.error(`${path}.host`, `destination host ${JSON.stringify(host)} is invalid`);
  if (subset !== undefined && !isDnsLabel(subset) && !/^[-_a-zA-Z0-9]+$/.test(subset))
    faults.error(`${path}.subset`, `subset ${JSON.stringify(subset)} is no name`);
  if (port !== undefined) {
    if (port.number === undefined) faults.error(`${path}.port`, 'port needs a number');
    else checkPort(port.number, `${path}.port`, faults);
  }
}
