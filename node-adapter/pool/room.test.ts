import { describe, expect, it } from 'vitest';
import { Room } from './room.ts';
import type { RoomUser } from './room.ts';

/** Wants places for so many who wait with it, and says who was served. */
class Waiting implements RoomUser {
  readonly #room: Room;
  readonly #name: string;
  readonly #served: string[];
  #wanted: number;

  constructor(room: Room, name: string, wanted: number, served: string[]) {
    this.#room = room;
    this.#name = name;
    this.#wanted = wanted;
    this.#served = served;
    this.onRoom();
  }

  onRoom(): boolean {
    if (this.#wanted === 0 || !this.#room.take(this)) return false;
    this.#wanted--;
    this.#served.push(this.#name);
    return true;
  }

  giveWay(): boolean {
    return false;
  }
}

describe('room for one connection', () => {
  it('is given in the order of asking, to a user of several each time anew', () => {
    const room = new Room({ maxConnections: 1 });
    const served: string[] = [];
    for (const [name, wanted] of [
      ['a', 1],
      ['b', 3],
      ['c', 1],
    ] as const)
      expect(new Waiting(room, name, wanted, served)).toBeDefined();
    room.leave();
    // Behind those who asked when b got its first.
    expect(new Waiting(room, 'd', 1, served)).toBeDefined();
    for (let i = 0; i < 4; i++) room.leave();
    expect(served).toEqual(['a', 'b', 'c', 'b', 'd', 'b']);
    room.leave();
    expect(room.isEmpty).toBe(true);
  });
});
