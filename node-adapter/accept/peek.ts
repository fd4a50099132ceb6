/** The first bytes of a connection, read before anybody decides who goes on with it. */
import type { Socket } from 'node:net';

export interface PeekOptions {
  /** From now on; when it is over `look` is asked once more, with what there is. */
  readonly timeoutMs: number;
  /** False: more is wanted. `isOver`: no more will come. */
  look(early: Buffer, isOver: boolean): boolean;
  /** The client has gone. */
  onGone(): void;
}

/**
 * Reads a paused socket until `look` is content, and leaves it paused: nothing is lost, and what was read is the
 * looker's to hand on.
 */
export function peek(socket: Socket, options: PeekOptions): void {
  let early: Buffer = Buffer.alloc(0);
  const stop = (): void => {
    clearTimeout(timer);
    socket.removeListener('readable', onReadable);
    socket.removeListener('end', onEnd);
    socket.removeListener('close', onClose);
  };
  const decide = (isOver: boolean): void => {
    if (options.look(early, isOver)) stop();
    else if (isOver) {
      stop();
      options.onGone();
    }
  };
  const onReadable = (): void => {
    for (let chunk = read(socket); chunk !== null; chunk = read(socket)) {
      early = early.length === 0 ? chunk : Buffer.concat([early, chunk]);
      if (options.look(early, false)) {
        stop();
        return;
      }
    }
  };
  const onEnd = (): void => decide(true);
  const onClose = (): void => {
    stop();
    options.onGone();
  };
  const timer = setTimeout(() => decide(true), options.timeoutMs);
  socket.on('readable', onReadable);
  socket.on('end', onEnd);
  socket.on('close', onClose);
}

const read = (socket: Socket): Buffer | null => socket.read() as Buffer | null;
