/**
 * What one endpoint bears where several pools lead to it, each for one client: their connections and those who wait for
 * one count together, and what carries nothing makes way.
 */
import type { PoolLimits } from '../../src/model/snapshot.ts';

export interface RoomUser {
  /** There is room: connects, if it still wants to. False: it doesn't. */
  onRoom(): boolean;
  /** Ends a connection that carries nothing. False: it has none. */
  giveWay(): boolean;
}

export class Room {
  /** Of all pools. */
  waiting = 0;
  #connections = 0;
  readonly #most: number;
  /** Who asked first is served first. */
  readonly #wanting = new Set<RoomUser>();
  /** Pools with connections that carry nothing, the longest so first. */
  readonly #resting = new Set<RoomUser>();

  constructor({ maxConnections = 0 }: PoolLimits) {
    this.#most = maxConnections > 0 ? maxConnections : Infinity;
  }

  /** A connection of the user's is free: others have waited longer for its place. Else it was the user's turn, and is that of others next. */
  passesOn(user: RoomUser): boolean {
    const [first] = this.#wanting;
    if (first !== user) return first !== undefined;
    this.#wanting.delete(user);
    this.#wanting.add(user);
    return false;
  }

  get isEmpty(): boolean {
    return this.#connections + this.waiting === 0;
  }

  /** One more connection may be made now. */
  get hasPlace(): boolean {
    return this.#connections < this.#most;
  }

  /** A place for one more connection. False: the user hears when there is one. */
  take(user: RoomUser): boolean {
    if (this.hasPlace) {
      this.#connections++;
      this.#wanting.delete(user);
      return true;
    }
    this.#wanting.add(user);
    for (const other of this.#resting) {
      if (other.giveWay()) break;
      this.#resting.delete(other);
    }
    return false;
  }

  /** A connection has ended, or couldn't be made. */
  leave(): void {
    this.#connections--;
    for (const user of this.#wanting) {
      this.#wanting.delete(user);
      if (!user.onRoom()) continue;
      // For the next who wait there, behind those who wait elsewhere.
      user.onRoom();
      return;
    }
  }

  /** A connection of the user's carries nothing and nobody waits for it there. False: others want its place. */
  rest(user: RoomUser): boolean {
    this.#wanting.delete(user);
    if (this.#wanting.size > 0) return false;
    this.#resting.delete(user);
    this.#resting.add(user);
    return true;
  }

  /** It keeps nothing and wants nothing. */
  forget(user: RoomUser): void {
    this.#wanting.delete(user);
    this.#resting.delete(user);
  }
}
