/**
 * Timers of connections: many, moved with every request, and seldom due. Moving one is writing a number; a wheel looks
 * at each a few times in its life.
 */
const TICK_MS = 100;
/** Few, so that each is looked at every second or two: until then the wheel keeps what has ended alive, a connection with all that it had. */
const SLOTS = 16;

export class Deadline {
  /** Wheel time at which it is due; 0 = never. */
  dueTick = 0;
  /** Where the wheel looks at it next, at its time or before; 0 = nowhere. */
  queuedTick = 0;
  readonly onDue: () => void;

  constructor(onDue: () => void) {
    this.onDue = onDue;
  }
}

export class Deadlines {
  #tick = 1;
  #count = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #slots: Deadline[][] = Array.from({ length: SLOTS }, () => []);

  /** `afterMs` from now, up to a tick later; 0 = never. The one set before counts no more. */
  set(deadline: Deadline, afterMs: number): void {
    if (afterMs <= 0) {
      deadline.dueTick = 0;
      return;
    }
    deadline.dueTick = this.#tick + Math.ceil(afterMs / TICK_MS);
    if (deadline.queuedTick === 0 || deadline.dueTick < deadline.queuedTick) this.#queue(deadline);
  }

  /** Nothing is due any more. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#count = 0;
    for (const slot of this.#slots) slot.length = 0;
  }

  #queue(deadline: Deadline): void {
    // What is due in more than a turn of the wheel is looked at once in between.
    const distance = Math.min(deadline.dueTick - this.#tick, SLOTS - 1);
    deadline.queuedTick = this.#tick + Math.max(1, distance);
    this.#slots[deadline.queuedTick % SLOTS]?.push(deadline);
    this.#count++;
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#turn(), TICK_MS);
    this.#timer.unref();
  }

  #turn(): void {
    this.#tick++;
    const at = this.#tick % SLOTS;
    const slot = this.#slots[at] as Deadline[];
    this.#slots[at] = [];
    this.#count -= slot.length;
    for (const deadline of slot) {
      // It was queued again for an earlier time.
      if (deadline.queuedTick !== this.#tick) continue;
      deadline.queuedTick = 0;
      if (deadline.dueTick > this.#tick) this.#queue(deadline);
      else if (deadline.dueTick > 0) {
        deadline.dueTick = 0;
        deadline.onDue();
      }
    }
    if (this.#count > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
