/**
 * What is written while one read is handled leaves together: one write for each connection and turn, however many
 * messages or frames it carries. Two writes for head and body cost more than all filters together.
 */
export interface Dirty {
  flush(): void;
}

let depth = 0;
let isScheduled = false;
let dirty: Dirty[] = [];

function flushAll(): void {
  isScheduled = false;
  // A flush may dirty others: a drained stream goes on at once.
  while (dirty.length > 0) {
    const list = dirty;
    dirty = [];
    for (const one of list) one.flush();
  }
}

/** To be flushed at the end of this turn; once for each time that something was written. */
export function markDirty(one: Dirty): void {
  dirty.push(one);
  if (depth > 0 || isScheduled) return;
  isScheduled = true;
  queueMicrotask(flushAll);
}

let nowMs = 0;

/** A read callback begins; leaveTurn ends it, also when it throws. */
export function enterTurn(): void {
  if (depth++ === 0) nowMs = 0;
}

/** Wall clock in milliseconds, asked for once a turn: what happens in one read happens at one time. */
export function turnNowMs(): number {
  if (depth === 0) return Date.now();
  if (nowMs === 0) nowMs = Date.now();
  return nowMs;
}

export function leaveTurn(): void {
  depth--;
  if (depth === 0 && dirty.length > 0) flushAll();
}

/** A turn of its own, for what comes by no read; `onFault` hears within it what `work` throws. */
export function takeTurn(work: () => void, onFault: (error: unknown) => void): void {
  enterTurn();
  try {
    work();
  } catch (error) {
    onFault(error);
  } finally {
    leaveTurn();
  }
}
