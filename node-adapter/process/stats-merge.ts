/** Counters of several processes as one: texts in Prometheus' format (0.0.4) in, one out. */

interface Family {
  help: string;
  type: string;
  /** By name and labels as they stand in a line, in order of appearance. */
  readonly samples: Map<string, number>;
}

export type Families = Map<string, Family>;

const SUFFIX = /_(?:bucket|sum|count)$/;
/** A time, or a fact: no sum of them says anything. */
const TAKES_GREATEST = /_info$|_start_time_seconds$|_timestamp_seconds$/;

function familyOf(families: Families, name: string): Family {
  const known = families.get(name);
  if (known !== undefined) return known;
  const family: Family = { help: '', type: 'untyped', samples: new Map() };
  families.set(name, family);
  return family;
}

/** Histograms and summaries have lines under longer names than their own. */
function ownerOf(families: Families, name: string): Family {
  const own = families.get(name);
  if (own !== undefined) return own;
  const base = name.replace(SUFFIX, '');
  return families.get(base) ?? familyOf(families, name);
}

function describe(families: Families, line: string): void {
  const match = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line);
  if (match === null) return;
  const [, what, name = '', text = ''] = match;
  const family = familyOf(families, name);
  if (what === 'HELP') family.help = text;
  else family.type = text;
}

/** Adds what a text says. Sums, but for what no sum makes sense of. */
export function addStats(families: Families, text: string): void {
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) {
      describe(families, line);
      continue;
    }
    // Labels may hold spaces and braces: the value is behind the last space.
    const at = line.lastIndexOf(' ');
    if (at <= 0) continue;
    const series = line.slice(0, at);
    const value = Number(line.slice(at + 1));
    const brace = series.indexOf('{');
    const name = brace === -1 ? series : series.slice(0, brace);
    const { samples } = ownerOf(families, name);
    const before = samples.get(series);
    if (before === undefined) samples.set(series, value);
    else samples.set(series, TAKES_GREATEST.test(name) ? Math.max(before, value) : before + value);
  }
}

/** What goes on counting when a process is gone. */
export function countersOf(text: string): string {
  const families: Families = new Map();
  addStats(families, text);
  for (const [name, { type }] of families)
    if (type === 'gauge' || type === 'untyped') families.delete(name);
  return statsText(families);
}

export function statsText(families: Families): string {
  let text = '';
  for (const [name, { help, type, samples }] of families) {
    if (samples.size === 0) continue;
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    for (const [series, value] of samples) text += `${series} ${value}\n`;
  }
  return text;
}

export function mergeStats(texts: readonly string[]): string {
  const families: Families = new Map();
  for (const text of texts) addStats(families, text);
  return statsText(families);
}
