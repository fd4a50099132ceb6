/** Semantic checks that several kinds share. */
import { parseCidr } from '../lib/cidr.ts';
import { parseDuration } from '../lib/duration.ts';
import { RegexSyntaxError, compileRegex } from '../lib/regex/compile.ts';
import type { LabelSelector, StringMatchSpec, TargetRef } from '../model/api.ts';
import type { Faults } from './define.ts';

const LABEL = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/;
/** First label of a wildcard host: `*` or `*-x`. */
const WILDCARD_LABEL = /^(?:\*|\*[-a-zA-Z0-9]*[a-zA-Z0-9])$/;
const HEADER_NAME = /^[-_A-Za-z0-9!#$%&'*+.^`|~]+$/;
/** RE2's own bound for a program, in characters of the expression. */
const MAX_REGEX_LENGTH = 1024;

export function isDnsLabel(name: string): boolean {
  return name.length <= 63 && /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(name);
}

export function isFqdn(host: string): boolean {
  const labels = host.replace(/\.$/, '').split('.');
  const last = labels.at(-1) ?? '';
  return host.length <= 255 && labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(last);
}

/** FQDN, short name, or one with a wildcard as its left-most label. */
export function isHostOrWildcard(host: string): boolean {
  if (host === '*') return true;
  const dot = host.indexOf('.');
  const first = dot < 0 ? host : host.slice(0, dot);
  if (!first.startsWith('*')) return isFqdn(host);
  return WILDCARD_LABEL.test(first) && (dot < 0 || isFqdn(host.slice(dot + 1)));
}

export function isIpAddress(textToTest: string): boolean {
  return !textToTest.includes('/') && parseCidr(textToTest) !== undefined;
}

/** Of a gateway worker: another worker is reached by the name of its service binding. */
export function isBinding(address: string): boolean {
  return /^binding:[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(address);
}

export function checkPort(value: number | undefined, path: string, faults: Faults): void {
  if (value !== undefined && (value < 1 || value > 65_535))
    faults.error(path, `port ${value} is out of range, want 1 to 65535`);
}

/** At least 1 ms unless `zero` is allowed. */
export function checkDuration(
  value: string | undefined,
  path: string,
  faults: Faults,
  zero = false,
): void {
  if (value === undefined) return;
  const ms = parseDuration(value);
  if (ms === undefined || ms < 0 || (ms < 1 && !(zero && ms === 0)))
    faults.error(path, `duration ${value} is too short, want at least 1ms${zero ? ' or 0s' : ''}`);
  else if (!Number.isInteger(ms))
    faults.error(path, `duration ${value} is finer than 1ms, want whole ms`);
}

export function checkRegex(source: string, path: string, faults: Faults): void {
  if (source.length > MAX_REGEX_LENGTH) {
    faults.error(
      path,
      `regex of ${source.length} characters is too large, want at most ${MAX_REGEX_LENGTH}`,
    );
    return;
  }
  try {
    compileRegex(source);
  } catch (error) {
    const why =
      error instanceof RegexSyntaxError ? `${error.message} at ${error.offset}` : 'unreadable';
    faults.error(path, `regex ${JSON.stringify(source)} is not RE2's: ${why}`);
  }
}

export function checkStringMatch(
  match: StringMatchSpec | undefined,
  path: string,
  faults: Faults,
): void {
  if (match?.regex === undefined) return;
  if (match.regex === '') faults.error(path, 'an empty regex matches nothing but the empty text');
  else checkRegex(match.regex, path, faults);
}

export function checkHeaderName(name: string, path: string, faults: Faults): void {
  if (!HEADER_NAME.test(name)) faults.error(path, `${JSON.stringify(name)} is no header name`);
}

/** `*`, `.`, `~` (where allowed) or namespaces. */
export function checkExportTo(
  exportTo: readonly string[] | undefined,
  faults: Faults,
  options: { readonly none?: boolean } = {},
): void {
  if (exportTo === undefined) return;
  const seen = new Set<string>();
  for (const [index, entry] of exportTo.entries()) {
    const path = `spec.exportTo[${index}]`;
    if (entry === '~' && options.none !== true)
      faults.error(path, 'exportTo ~ (none) is not allowed here');
    else if (entry !== '*' && entry !== '.' && entry !== '~' && !isDnsLabel(entry))
      faults.error(path, `exportTo ${JSON.stringify(entry)} is no namespace, nor * or .`);
    if (seen.has(entry)) faults.error('spec.exportTo', `exportTo names ${entry} twice`);
    seen.add(entry);
  }
  if (exportTo.length > 1 && exportTo.includes('*'))
    faults.error('spec.exportTo', 'exportTo * exports to everybody and stands alone');
  if (exportTo.length > 1 && exportTo.includes('~'))
    faults.error('spec.exportTo', 'exportTo ~ exports to nobody and stands alone');
}

/** Annotation `istio.io/dry-run`: which resources take it. */
export function checkDryRun(
  annotations: Readonly<Record<string, string>> | undefined,
  faults: Faults,
  isAllowed: boolean,
): void {
  const value = annotations?.['istio.io/dry-run'];
  if (value === undefined) return;
  if (!isAllowed)
    faults.error(
      'metadata.annotations',
      'annotation istio.io/dry-run (dry-run) is not for this kind',
    );
  else if (!/^(?:1|t|T|true|TRUE|True|0|f|F|false|FALSE|False)$/.test(value))
    faults.error(
      'metadata.annotations',
      `dry-run is ${JSON.stringify(value)}, want "true" or "false"`,
    );
}

export function checkLabels(
  labelMap: Readonly<Record<string, string>> | undefined,
  path: string,
  faults: Faults,
): void {
  for (const [key, value] of Object.entries(labelMap ?? {})) {
    const name = key.slice(key.indexOf('/') + 1);
    if (!/^[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$/.test(name))
      faults.error(path, `label name ${JSON.stringify(key)} is invalid`);
    if (value !== '' && !/^[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$/.test(value))
      faults.error(path, `label value ${JSON.stringify(value)} of ${key} is invalid`);
  }
}

/** Selectors match by equality: wildcards in them would silently match nothing. */
export function checkSelector(
  selector: { readonly matchLabels?: Readonly<Record<string, string>> } | undefined,
  path: string,
  faults: Faults,
): void {
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) {
    if (key === '') faults.error(path, 'a selector label has no name');
    if (key.includes('*') || value.includes('*'))
      faults.error(path, 'a selector takes no wildcard');
  }
}

/** What a policy may name by targetRef. */
const TARGETS = new Set([
  'gateway.networking.k8s.io/Gateway',
  'gateway.networking.k8s.io/GatewayClass',
  '/Service',
  'networking.istio.io/ServiceEntry',
]);

/** Selector, targetRef and targetRefs exclude each other. */
export function checkTargets(
  spec: {
    readonly selector?: LabelSelector;
    readonly targetRef?: TargetRef;
    readonly targetRefs?: readonly TargetRef[];
  },
  faults: Faults,
): void {
  const { selector, targetRef, targetRefs = [] } = spec;
  const given = [selector, targetRef, targetRefs.length > 0 ? targetRefs : undefined];
  if (given.filter((value) => value !== undefined).length > 1)
    faults.error('spec', 'selector, targetRef and targetRefs exclude each other');
  checkSelector(selector, 'spec.selector.matchLabels', faults);
  const refs = [
    ...(targetRef === undefined ? [] : [{ ref: targetRef, path: 'spec.targetRef' }]),
    ...targetRefs.map((ref, index) => ({ ref, path: `spec.targetRefs[${index}]` })),
  ];
  for (const { ref, path } of refs)
    if (!TARGETS.has(`${ref.group === 'core' ? '' : (ref.group ?? '')}/${ref.kind}`))
      faults.error(
        path,
        `targetRef ${ref.group ?? ''}/${ref.kind} is none that a policy attaches to, want Gateway, GatewayClass, Service or ServiceEntry`,
      );
}
