/** Sockets to listen on: made here, or handed over by who owns them. */
import type { Server } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A listening handle of another process, as it came over its channel. */
export interface HandedHandle {
  readonly handle: object;
}

export type ListenAt =
  | {
      readonly host: string;
      readonly port: number;
      /** Others listen on it as well. @default false */
      readonly reusePort?: boolean;
    }
  | HandedHandle;

const BACKLOG = 1024;

export function startListening(server: Server, at: ListenAt): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const done = (): void => {
      server.removeListener('error', reject);
      resolve(server.address() as AddressInfo);
    };
    if ('handle' in at) server.listen(at.handle, BACKLOG, done);
    else server.listen({ ...at, backlog: BACKLOG }, done);
  });
}
