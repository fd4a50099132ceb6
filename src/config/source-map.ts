/** Where the nodes of one resource stand, in a form that is kept beside it: a moved comment changes no snapshot. */
import { isMap, isScalar, isSeq } from 'yaml';
import type { AdmittedResource, SourceMap } from '../model/config.ts';
import type { Place } from '../model/diagnostic.ts';
import type { Origin } from '../model/snapshot.ts';
import { joinPath, pathSteps } from './path.ts';

type Position = readonly [line: number, column: number];

/** Of one resource; deeper nodes are left out where there are more, and found by their ancestors. */
const MAX_NODES = 4000;

interface Visit {
  readonly node: unknown;
  readonly path: string;
}

/** Breadth first, so that a bound takes the deepest nodes away. */
export function sourceMapOf(
  file: string,
  root: unknown,
  positionAt: (offset: number) => Position,
): SourceMap {
  const places: Record<string, Position> = {};
  const queue: Visit[] = [{ node: root, path: '' }];
  let count = 0;
  const add = (path: string, offset: number | undefined, node: unknown): void => {
    if (offset === undefined || count >= MAX_NODES) return;
    places[path] = positionAt(offset);
    count++;
    queue.push({ node, path });
  };
  for (let next = 0; next < queue.length; next++) {
    const { node, path } = queue[next] as Visit;
    if (isMap(node))
      for (const { key, value } of node.items)
        if (isScalar(key)) add(joinPath(path, String(key.value)), key.range?.[0], value);
    if (isSeq(node))
      for (const [index, item] of node.items.entries())
        add(`${path}[${index}]`, (item as { range?: Position }).range?.[0], item);
  }
  return { file, places };
}

function textOf(steps: readonly (string | number)[]): string {
  let path = '';
  for (const step of steps)
    path = typeof step === 'number' ? `${path}[${step}]` : joinPath(path, step);
  return path;
}

const has = ({ places }: SourceMap, path: string): boolean => Object.hasOwn(places, path);

/** The place of the node at a path, else of its nearest ancestor. */
export function placeIn(map: SourceMap, path: string): Place | undefined {
  for (const steps = pathSteps(path); steps.length > 0; steps.pop()) {
    const step = textOf(steps);
    const found = has(map, step) ? map.places[step] : undefined;
    if (found !== undefined) return { file: map.file, line: found[0], column: found[1] };
  }
  return undefined;
}

/** Kinds of two groups may share a name: the one that has such a path is meant. */
export function nearestPlace(maps: readonly SourceMap[], path: string): Place | undefined {
  const map = maps.find((one) => has(one, path)) ?? maps[0];
  return map === undefined ? undefined : placeIn(map, path);
}

/** Places in the texts of what was admitted; each text is walked once, when first asked for. */
export function placesOf(
  admitted: readonly AdmittedResource[],
): (origin: Origin) => Place | undefined {
  const byName = Map.groupBy(
    admitted,
    ({ resource: { kind, metadata } }) => `${kind} ${metadata.namespace}/${metadata.name}`,
  );
  const maps = new Map<string, readonly SourceMap[]>();
  return ({ resource, path }) => {
    const own =
      maps.get(resource) ?? (byName.get(resource) ?? []).flatMap((one) => one.sourceMap?.() ?? []);
    maps.set(resource, own);
    return nearestPlace(own, path);
  };
}
