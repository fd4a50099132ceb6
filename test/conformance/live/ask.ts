/** How a check is asked of a live target: by one exchange, or by as many as its shares need. */
import type { Cluster } from '../../../src/model/snapshot.ts';
import type { CaseRequest, Check } from '../cases.ts';
import type { Exchanged, Fields } from './report.ts';
import { clusterAt, describe, targetFields } from './report.ts';

/** Draws that stand for all of [0, 1). */
const SPLIT_DRAWS = 100;
const MIRROR_DRAWS = 200;
const LAST_COPIES_MS = 100;

export interface Asker {
  readonly clusters: readonly Cluster[];
  /** `copies`: how many mirrors are waited for. */
  once(request: CaseRequest, draw: number, copies: number): Promise<Exchanged>;
}

export const pause = (ms: number): Promise<void> =>
  new Promise((wake) => {
    setTimeout(wake, ms);
  });

export async function ask(asker: Asker, request: CaseRequest, { expect }: Check): Promise<Fields> {
  const mirrors = (expect['mirrors'] ?? []) as readonly { readonly percent?: number }[];
  const hasShares = mirrors.some(({ percent = 100 }) => percent < 100);
  const copies = hasShares ? 0 : mirrors.length;
  const fields = await fieldsOf(asker, request, request.random ?? 0.5, copies);
  if (hasShares) return { ...fields, mirrors: await mirrorShares(asker, request) };
  return expect['split'] === undefined
    ? fields
    : { ...fields, split: await splitShares(asker, request) };
}

async function fieldsOf(
  asker: Asker,
  request: CaseRequest,
  draw: number,
  copies: number,
): Promise<Fields> {
  const exchanged = await asker.once(request, draw, copies);
  const fields = describe(asker.clusters, exchanged);
  exchanged.forget();
  return fields;
}

async function splitShares(asker: Asker, request: CaseRequest): Promise<Fields> {
  const answers: Fields[] = [];
  for (let index = 0; index < SPLIT_DRAWS; index++)
    answers.push(await fieldsOf(asker, request, (index + 0.5) / SPLIT_DRAWS, 0));
  const services = new Set(answers.map((answer) => answer['service']));
  const counts: Record<string, number> = {};
  for (const answer of answers) {
    const key = String(shareKey(answer, services.size > 1));
    counts[key] = (counts[key] ?? 0) + 100 / SPLIT_DRAWS;
  }
  return counts;
}

/** By service, or by subset where there is one service; what was answered by its status. */
function shareKey(answer: Fields, byService: boolean): unknown {
  const { outcome } = answer;
  if (outcome === 'close') return outcome;
  if (outcome === 'respond') {
    const headers = (answer['responseHeaders'] ?? {}) as Readonly<Record<string, string>>;
    const grpc = headers['grpc-status'];
    return grpc === undefined ? answer['status'] : `grpc-${grpc}`;
  }
  return byService ? answer['service'] : (answer['subset'] ?? answer['service']);
}

/** The share of requests that each mirror gets a copy of, in percent. */
async function mirrorShares(asker: Asker, request: CaseRequest): Promise<readonly Fields[]> {
  const all: Exchanged[] = [];
  for (let index = 0; index < MIRROR_DRAWS; index++)
    all.push(await asker.once(request, (index + 0.5) / MIRROR_DRAWS, 0));
  await pause(LAST_COPIES_MS);
  const counts = new Map<Cluster, number>();
  for (const { received, report, forget } of all) {
    for (const { host } of received()) {
      const cluster = clusterAt(asker.clusters, host, report);
      if (cluster !== undefined && cluster.name !== report.cluster)
        counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
    }
    forget();
  }
  return [...counts].map(([cluster, count]) => ({
    ...targetFields(cluster),
    percent: (100 * count) / MIRROR_DRAWS,
  }));
}
