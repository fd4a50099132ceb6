/** A small, bounded traffic generator for the demo. */
export interface TrafficOptions {
  readonly url: string;
  readonly requestsPerSecond: number;
  /** Ends it. */
  readonly signal: AbortSignal;
}

const MAX_IN_FLIGHT = 64;

/** Resolves to the count of each status (0 = none) once it was ended. */
export async function startTraffic(options: TrafficOptions): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>();
  const running = new Set<Promise<void>>();
  const send = async (): Promise<void> => {
    const status = await fetch(`${options.url}/productpage`, {
      signal: AbortSignal.timeout(10_000),
    })
      .then(async (response) => {
        await response.arrayBuffer();
        return response.status;
      })
      .catch(() => 0);
    counts.set(status, (counts.get(status) ?? 0) + 1);
  };
  while (!options.signal.aborted) {
    await new Promise((wake) => {
      setTimeout(wake, 1000 / options.requestsPerSecond);
    });
    if (running.size >= MAX_IN_FLIGHT) continue;
    const request: Promise<void> = send().finally(() => running.delete(request));
    running.add(request);
  }
  await Promise.all(running);
  return counts;
}
