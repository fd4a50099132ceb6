/** What people and programs read: text, YAML, JSON. Data goes to stdout, all else to stderr. */
import colors from 'picocolors';
import { stringify } from 'yaml';
import type { Diagnostic } from '../src/model/diagnostic.ts';
import { CommandError } from './errors.ts';

export type OutputFormat = 'text' | 'yaml' | 'json';

export function outputFormat(text: string | undefined): OutputFormat {
  if (text === undefined) return 'text';
  if (text === 'yaml' || text === 'json') return text;
  throw new CommandError(`-o ${text}: want yaml or json`, 2);
}

export function printData(value: unknown, format: 'yaml' | 'json'): void {
  process.stdout.write(
    format === 'json'
      ? `${JSON.stringify(value, undefined, 2)}\n`
      : stringify(value, { lineWidth: 0 }),
  );
}

/** Left-aligned columns, three spaces apart, as kubectl prints them. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  return [header, ...rows]
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('');
}

const paint = { error: colors.red, warning: colors.yellow, info: colors.blue };

export function diagnosticText(finding: Diagnostic): string {
  const place =
    finding.place === undefined
      ? ''
      : `${finding.place.file}:${finding.place.line}:${finding.place.column}: `;
  const about = [finding.resource, finding.path].filter((text) => text !== undefined).join(' ');
  const remedy = finding.remedy === undefined ? '' : `\n    ${colors.dim(finding.remedy)}`;
  return `${place}${paint[finding.level](finding.level)} [${finding.code}] ${about === '' ? '' : `${about}: `}${finding.message}${remedy}`;
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
