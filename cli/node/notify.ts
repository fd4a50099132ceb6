/** Tells systemd who the service is now: after a hot restart that is another process. */
import { execFile } from 'node:child_process';
import { note } from '../output.ts';

/** Nothing is told where nobody asked for it (`Type=notify`). */
export function notifyReady(): void {
  if (process.env['NOTIFY_SOCKET'] === undefined) return;
  // A datagram socket of the file system, which Node can't open.
  execFile('systemd-notify', [`--pid=${process.pid}`, '--ready'], (error) => {
    if (error !== null) note(`warning: systemd was not told that it is ready: ${error.message}`);
  });
}
