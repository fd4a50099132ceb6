/** LoadBalancerSettings: what the webhook asks. */
import type { TrafficPolicy } from '../../model/api.ts';
import { parseDuration } from '../../lib/duration.ts';
import type { Faults } from '../define.ts';

type Fields = Readonly<Record<string, unknown>>;

interface Place {
  readonly path: string;
  readonly faults: Faults;
}

function isPrime(value: number): boolean {
  if (value < 2) return false;
  for (let divisor = 2; divisor * divisor <= value; divisor++)
    if (value % divisor === 0) return false;
  return true;
}

const MAX_MAGLEV_TABLE = 5_000_011;

function checkHash(hash: Fields, { path, faults }: Place): void {
  const cookie = hash['httpCookie'] as Fields | undefined;
  if (cookie !== undefined) {
    if (cookie['name'] === '') faults.error(`${path}.httpCookie.name`, 'a cookie needs a name');
    const seen = new Set<string>();
    for (const attribute of (cookie['attributes'] ?? []) as readonly { readonly name?: string }[]) {
      const at = `${path}.httpCookie.attributes`;
      const name = attribute.name ?? '';
      if (name === '') faults.error(at, 'a cookie attribute needs a name');
      else if (seen.has(name)) faults.error(at, `duplicate cookie attribute ${name}`);
      seen.add(name);
    }
  }
  if (
    hash['minimumRingSize'] !== undefined &&
    (hash['ringHash'] !== undefined || hash['maglev'] !== undefined)
  )
    faults.error(
      path,
      'minimumRingSize is the old form of ringHash and can not stand beside ringHash or maglev',
    );
  if (hash['ringHash'] !== undefined && hash['maglev'] !== undefined)
    faults.error(path, 'ringHash and maglev exclude each other');
  const maglev = hash['maglev'] as { readonly tableSize?: number } | undefined;
  if (maglev?.tableSize !== undefined) {
    const at = `${path}.maglev.tableSize`;
    if (maglev.tableSize <= 0) faults.error(at, 'tableSize must be above 0');
    else if (maglev.tableSize >= MAX_MAGLEV_TABLE)
      faults.error(at, `tableSize must be below ${MAX_MAGLEV_TABLE}`);
    else if (!isPrime(maglev.tableSize))
      faults.error(at, `tableSize ${maglev.tableSize} is no prime number`);
  }
}

const covers = (wide: string, narrow: string): boolean =>
  wide === '*' ||
  wide === narrow ||
  (wide.endsWith('*') && narrow.startsWith(wide.slice(0, -1))) ||
  narrow.startsWith(`${wide}/`);

/** Patterns `region/zone/subzone`, a star only as the whole last part. */
function checkLocalities(localities: readonly string[], { path, faults }: Place): void {
  for (const [index, text] of localities.entries()) {
    const parts = text.split('/');
    if (text === '' || parts.includes(''))
      faults.error(path, `locality ${JSON.stringify(text)} has an empty part`);
    if (
      parts.slice(0, -1).some((part) => part.includes('*')) ||
      (parts.at(-1) !== '*' && text.includes('*'))
    )
      faults.error(path, `locality ${text}: a wildcard stands only as the last part`);
    for (const other of localities.slice(0, index))
      if (covers(other, text) || covers(text, other))
        faults.error(path, `localities ${other} and ${text} overlap`);
  }
}

function checkDistribute(
  distribute: readonly { readonly from?: string; readonly to?: Readonly<Record<string, number>> }[],
  place: Place,
): void {
  checkLocalities(
    distribute.map((entry) => entry.from ?? ''),
    place,
  );
  for (const { to = {} } of distribute) {
    checkLocalities(Object.keys(to), place);
    const weights = Object.values(to);
    if (weights.some((weight) => weight <= 0))
      place.faults.error(place.path, 'a locality weight must be above 0');
    const sum = weights.reduce((total, weight) => total + weight, 0);
    if (sum !== 100) place.faults.error(place.path, `locality weights sum to ${sum}, want 100`);
  }
}

function checkFailover(
  failover: readonly { readonly from?: string; readonly to?: string }[],
  { path, faults }: Place,
): void {
  const at = `${path}.failover`;
  for (const { from = '', to = '' } of failover) {
    if (from === to) faults.error(at, `failover from and to are the same regions (${from})`);
    for (const region of [from, to]) {
      if (region.includes('/')) faults.error(at, `failover ${region} names a zone, want a region`);
      if (region.includes('*')) faults.error(at, 'failover takes no * wildcard');
    }
  }
}

function checkLocality(locality: Fields, { path, faults }: Place): void {
  const distribute = (locality['distribute'] ?? []) as Parameters<typeof checkDistribute>[0];
  const failover = (locality['failover'] ?? []) as Parameters<typeof checkFailover>[0];
  const priority = (locality['failoverPriority'] ?? []) as readonly string[];
  if (distribute.length > 0 && (failover.length > 0 || priority.length > 0))
    faults.error(path, 'distribute stands without failover and failoverPriority');
  checkDistribute(distribute, { path, faults });
  checkFailover(failover, { path, faults });
}

function checkZoneAware(zone: Fields, { path, faults }: Place): void {
  const priority = (zone['failoverPriority'] ?? []) as readonly string[];
  if (
    priority.some(
      (label) =>
        label.startsWith('topology.kubernetes.io/') || label.startsWith('topology.istio.io/'),
    )
  )
    faults.error(
      `${path}.failoverPriority`,
      'failoverPriority of zone aware balancing takes no topology labels',
    );
}

export function checkLoadBalancer(
  settings: NonNullable<TrafficPolicy['loadBalancer']>,
  place: Place,
): void {
  const { path, faults } = place;
  const fields = settings as Fields;
  const at = (name: string): Place => ({ path: `${path}.${name}`, faults });
  if (settings.consistentHash !== undefined)
    checkHash(settings.consistentHash, at('consistentHash'));
  if (settings.localityLbSetting !== undefined)
    checkLocality(settings.localityLbSetting, at('localityLbSetting'));
  const zone = fields['zoneAwareLbSetting'] as Fields | undefined;
  if (zone !== undefined) {
    if (settings.localityLbSetting !== undefined)
      faults.error(path, 'localityLbSetting and zoneAwareLbSetting exclude each other');
    checkZoneAware(zone, at('zoneAwareLbSetting'));
  }
  const warmup = fields['warmup'] as
    | { readonly duration?: string; readonly minimumPercent?: number; readonly aggression?: number }
    | undefined;
  if (warmup === undefined) return;
  if (warmup.duration === undefined || (parseDuration(warmup.duration) ?? 0) <= 0)
    faults.error(`${path}.warmup.duration`, 'warmup needs a duration above 0');
  if ((warmup.minimumPercent ?? 0) < 0 || (warmup.minimumPercent ?? 0) > 100)
    faults.error(`${path}.warmup.minimumPercent`, 'minimumPercent is out of range, want 0 to 100');
  if (warmup.aggression !== undefined && warmup.aggression < 1)
    faults.error(`${path}.warmup.aggression`, 'aggression must be at least 1');
  if (
    settings.consistentHash !== undefined ||
    settings.simple === 'RANDOM' ||
    settings.simple === 'PASSTHROUGH'
  )
    faults.error(`${path}.warmup`, 'warmup works with ROUND_ROBIN and LEAST_REQUEST only');
}
