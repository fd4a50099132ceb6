/** What the webhook asks of tls and tcp rules. */
import { parseCidr } from '../../lib/cidr.ts';
import type { VirtualServiceSpec } from '../../model/api.ts';
import { checkLabels, checkPort, isDnsLabel, isHostOrWildcard } from '../checks.ts';
import type { Faults } from '../define.ts';
import { checkDestination } from './destination-checks.ts';

interface L4Match {
  readonly sniHosts?: readonly string[];
  readonly destinationSubnets?: readonly string[];
  readonly port?: number;
  readonly sourceLabels?: Readonly<Record<string, string>>;
  readonly sourceNamespace?: string;
}

interface L4Rule {
  readonly match?: readonly L4Match[];
  readonly route?: readonly {
    readonly destination?: Parameters<typeof checkDestination>[0];
    readonly weight?: number;
  }[];
}

/** Is every name that `narrow` stands for one of `wide`? */
function isWithin(narrow: string, wide: string): boolean {
  const [name, host] = [narrow.toLowerCase(), wide.toLowerCase()];
  if (host === '*' || name === host) return true;
  return host.startsWith('*') && name.endsWith(host.slice(1)) && name.length > host.length - 1;
}

function checkServerNames(
  names: readonly string[],
  hosts: readonly string[],
  place: { readonly path: string; readonly faults: Faults },
): void {
  const { path, faults } = place;
  if (names.length === 0) faults.error(path, 'a tls match needs at least one of sniHosts');
  for (const [index, name] of names.entries()) {
    const at = `${path}[${index}]`;
    if (!isHostOrWildcard(name))
      faults.error(at, `SNI host ${JSON.stringify(name)} is an invalid name`);
    else if (!hosts.some((host) => isWithin(name, host)))
      faults.error(at, `SNI host ${name} is none that the hosts of this VirtualService cover`);
  }
}

function checkMatch(match: L4Match, path: string, faults: Faults): void {
  for (const [index, subnet] of (match.destinationSubnets ?? []).entries())
    if (parseCidr(subnet) === undefined)
      faults.error(
        `${path}.destinationSubnets[${index}]`,
        `subnet ${JSON.stringify(subnet)} is no IP address or CIDR block`,
      );
  checkPort(match.port === 0 ? undefined : match.port, `${path}.port`, faults);
  checkLabels(match.sourceLabels, `${path}.sourceLabels`, faults);
  if ((match.sourceNamespace ?? '') !== '' && !isDnsLabel(match.sourceNamespace ?? ''))
    faults.error(
      `${path}.sourceNamespace`,
      `sourceNamespace ${JSON.stringify(match.sourceNamespace)} is no namespace`,
    );
}

function checkTargets(rule: L4Rule, path: string, faults: Faults): void {
  const targets = rule.route ?? [];
  if (targets.length === 0) faults.error(`${path}.route`, 'the rule has no route');
  let total = 0;
  for (const [index, { destination, weight = 0 }] of targets.entries()) {
    checkDestination(destination, `${path}.route[${index}].destination`, faults);
    if (weight < 0) faults.error(`${path}.route[${index}].weight`, `weight ${weight} is negative`);
    total += weight;
  }
  if (targets.length > 1 && total === 0)
    faults.error(`${path}.route`, 'total of the weights is 0, want one above');
}

/** The rules of a VirtualService below HTTP. */
export function checkL4(rules: VirtualServiceSpec, faults: Faults): void {
  for (const kind of ['tls', 'tcp'] as const)
    for (const [index, rule] of ((rules[kind] ?? []) as readonly L4Rule[]).entries()) {
      const path = `spec.${kind}[${index}]`;
      checkTargets(rule, path, faults);
      if (kind === 'tls' && (rule.match ?? []).length === 0)
        faults.error(`${path}.match`, 'a tls rule needs a match with sniHosts');
      for (const [at, match] of (rule.match ?? []).entries()) {
        const place = `${path}.match[${at}]`;
        if (kind === 'tls')
          checkServerNames(match.sniHosts ?? [], rules.hosts ?? [], {
            path: `${place}.sniHosts`,
            faults,
          });
        checkMatch(match, place, faults);
      }
    }
}
