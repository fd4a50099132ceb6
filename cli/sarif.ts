/** Findings as SARIF 2.1.0 (OASIS), which code hosts and editors show in place. */
import type { Diagnostic, Level } from '../src/model/diagnostic.ts';

const LEVELS: Readonly<Record<Level, string>> = {
  error: 'error',
  warning: 'warning',
  info: 'note',
};

function resultOf(finding: Diagnostic, ruleIndex: number): unknown {
  const { code, level, message, place, resource, path, remedy } = finding;
  const about = [resource, path].filter((text) => text !== undefined).join(' ');
  const physicalLocation =
    place === undefined
      ? undefined
      : {
          artifactLocation: { uri: encodeURI(place.file.replaceAll('\\', '/')) },
          region: { startLine: place.line, startColumn: place.column },
        };
  return {
    ruleId: code,
    ruleIndex,
    level: LEVELS[level],
    message: { text: remedy === undefined ? message : `${message}. Remedy: ${remedy}` },
    locations: [
      {
        ...(physicalLocation === undefined ? {} : { physicalLocation }),
        ...(about === '' ? {} : { logicalLocations: [{ fullyQualifiedName: about }] }),
      },
    ],
  };
}

/** One run of one tool; rules are the codes that were found. */
export function toSarif(findings: readonly Diagnostic[], version: string): unknown {
  const codes = [...new Set(findings.map(({ code }) => code))].sort();
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'lateen', version, rules: codes.map((id) => ({ id })) } },
        columnKind: 'unicodeCodePoints',
        results: findings.map((finding) => resultOf(finding, codes.indexOf(finding.code))),
      },
    ],
  };
}
