/** String matches as closures over interned values. */
import { linkRegex } from '../../lib/regex/match.ts';
import type { StringMatch } from '../../model/snapshot.ts';

export type TextTest = (text: string) => boolean;

export function linkString(match: StringMatch): TextTest {
  switch (match.kind) {
    case 'present':
      return () => true;
    case 'regex': {
      const regex = linkRegex(match.program);
      return (text) => regex.fullMatch(text);
    }
    case 'exact': {
      const value = match.ignoreCase === true ? match.value.toLowerCase() : match.value;
      return match.ignoreCase === true
        ? (text) => text.toLowerCase() === value
        : (text) => text === value;
    }
    case 'prefix': {
      const value = match.ignoreCase === true ? match.value.toLowerCase() : match.value;
      return match.ignoreCase === true
        ? (text) => text.toLowerCase().startsWith(value)
        : (text) => text.startsWith(value);
    }
    case 'suffix': {
      const value = match.ignoreCase === true ? match.value.toLowerCase() : match.value;
      return match.ignoreCase === true
        ? (text) => text.toLowerCase().endsWith(value)
        : (text) => text.endsWith(value);
    }
    default:
      return match satisfies never;
  }
}
