/** Field paths as `spec.http[0].route` and `metadata.labels["app.io/name"]`. */

/** As people write a path; a key that isn't a plain word stands in quotes. */
export function joinPath(path: string, key: string): string {
  const step = /^[^.[\]"\s]+$/.test(key) ? key : undefined;
  if (step === undefined) return `${path}[${JSON.stringify(key)}]`;
  return path === '' ? step : `${path}.${step}`;
}

/** `spec.http[0].route` to its steps; quoted keys as `labels["a.b"]`. */
export function pathSteps(path: string): (string | number)[] {
  const steps: (string | number)[] = [];
  for (const match of path.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.[\]]+)/g)) {
    if (match[2] !== undefined) steps.push(Number(match[2]));
    else steps.push(match[1] ?? match[3] ?? '');
  }
  return steps;
}
