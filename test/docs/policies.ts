/**
 * The reference of lateen.io Policy, made from what slices say of their parts: `npm run docs:policies` writes it to
 * docs/policies, and a test holds it to what the slices say now.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { PartField, PartRefusal, PolicyPart } from '../../src/model/policy.ts';
import { policyCompilers, policyParts } from '../../src/presets/control.ts';
import { policyTargets } from '../../src/resources/index.ts';

const folder = fileURLToPath(new URL('../../docs/policies/', import.meta.url));

const NOTE = '<!-- Written by npm run docs:policies from src/policies/*/schema.ts. -->';

const row = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(...head), row(...head.map(() => '---')), ...rows.map((cells) => row(...cells))].join(
    '\n',
  );
}

const fieldRow = ({ path, type, meaning, default: otherwise = '' }: PartField): string[] => [
  `\`${path}\``,
  type,
  meaning,
  otherwise,
];

const refusalRow = ({ when, status, body, details }: PartRefusal): string[] => [
  when,
  String(status),
  `\`${body}\``,
  `\`${details}\``,
];

const phaseOf = ({ key }: PolicyPart): string =>
  policyCompilers.find(({ kind }) => kind === key)?.phase ?? '';

/** A whole Policy around a part's example. */
export function exampleOf({ key, example }: PolicyPart): string {
  const part = example.trimEnd().replaceAll(/^(?=.)/gm, '    ');
  return `apiVersion: lateen.io/v1
kind: Policy
metadata: {name: ${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}, namespace: shop}
spec:
  selector:
    matchLabels: {istio: ingressgateway}
  ${key}:
${part}
`;
}

function partPage(part: PolicyPart): string {
  const refusals =
    part.refusals.length === 0
      ? (part.refusesOtherwise ?? 'It refuses nothing.')
      : `${table(
          ['refused when', 'status', 'body', 'details'],
          part.refusals.map((one) => refusalRow(one)),
        )}

The answer is text/plain, has no response flag, and reaches gRPC callers as a gRPC status. The access log names the Policy under \`policy\`.`;
  return `${NOTE}

# ${part.key}

${part.summary}

Key \`${part.key}\` of [Policy](policy.md), phase ${phaseOf(part)}.

\`\`\`yaml
${exampleOf(part)}\`\`\`

${table(
  ['field', 'type', 'meaning', 'default'],
  part.fields.map((field) => fieldRow(field)),
)}

${part.notes}

${refusals}
`;
}

function kindPage(): string {
  const keys = policyParts.map((part) => [
    `[\`${part.key}\`](${part.key}.md)`,
    part.summary,
    phaseOf(part),
  ]);
  const targets = policyTargets.map(({ group, kind, section }) => [
    `\`${group === '' ? '""' : group}\``,
    kind,
    section,
  ]);
  return `${NOTE}

# Policy

\`lateen.io/v1\`, kind Policy: what no standard kind has. Its spec says what it attaches to, and has one key for each thing that it wants; every key is optional.

${table(['key', 'what', 'phase'], keys)}

## Attachment

\`selector\` and \`targetRefs\` exclude each other.

- **Neither**: every gateway and every workload of the Policy's namespace; in the root namespace, of the mesh.
- **selector.matchLabels**: those of them that have all of these labels.
- **targetRefs**, at most 16, of the Policy's own namespace: \`group\`, \`kind\`, \`name\`, and \`sectionName\` for a part of the target.

${table(['group', 'kind', 'sectionName names'], targets)}

On a Gateway a Policy holds for all that its listeners take. On a route it holds for requests that this route takes, at gateways and for callers in the mesh alike; on a VirtualService also for the rules of its delegates.
On a Service or ServiceEntry it holds where requests arrive at its workloads. A Policy of namespace, selector or mesh holds where requests arrive, and not for a workload's own calls.

## Which of several holds

For each key by itself, the most specific attachment holds whole; the parts of several Policies are never mixed. From the most specific:

1. a rule of a route (\`sectionName\`), then the route; of a delegate before its root
2. a server, listener or port (\`sectionName\`), then its Gateway, Service or ServiceEntry
3. a selector in the workload's namespace, then the namespace
4. a selector in the root namespace, then the mesh

Of equals the oldest holds, then the first by name; \`analyze\` names those that hold for nothing (LAT0120). A Policy for the mesh can therefore be replaced by one on a route.
What nobody may lift belongs into an AuthorizationPolicy with action DENY, which is asked first.

\`lateen explain\` shows for a request which Policy decided, and which rule of it.
`;
}

/** Text by file name. */
export function policyPages(): ReadonlyMap<string, string> {
  return new Map([
    ['policy.md', kindPage()],
    ...policyParts.map((part): [string, string] => [`${part.key}.md`, partPage(part)]),
  ]);
}

/** What stands in docs/policies now; undefined = nothing. */
export function writtenPage(name: string): string | undefined {
  try {
    return readFileSync(folder + name, 'utf8');
  } catch {
    return undefined;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const [name, text] of policyPages()) writeFileSync(folder + name, text);
