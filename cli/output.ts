/** What people and programs read: tables, YAML, JSON, names. Data goes to stdout, all else to stderr. */
import colors from 'picocolors';
import { stringify } from 'yaml';
import type { Diagnostic } from '../src/model/diagnostic.ts';
import { CommandError } from './errors.ts';

export type OutputFormat = 'table' | 'wide' | 'yaml' | 'json' | 'name';

export function outputFormat(text: string | undefined): OutputFormat {
  if (text === undefined) return 'table';
  if (text === 'wide' || text === 'yaml' || text === 'json' || text === 'name') return text;
  throw new CommandError(`-o ${text}: want yaml, json, name or wide`, 2);
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
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
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

/** Time since, as kubectl's AGE. */
export function age(timestamp: string | undefined, nowMs: number): string {
  if (timestamp === undefined) return '<unknown>';
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(timestamp)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
