/** What the system lets this process have open, and how much of it clients may take. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** For files, listening sockets, the admin endpoint, the control plane and name servers. */
const RESERVED = 128;
/** Where nobody can tell. */
const ASSUMED = 8192;

/** The soft limit of file descriptors, which Node has raised to the hard one when it started. Infinity = there is none. */
export function descriptorLimit(): number {
  try {
    const text =
      process.platform === 'linux'
        ? /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
        : execFileSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'latin1' }).trim();
    if (text === 'unlimited') return Infinity;
    const limit = Number(text);
    return Number.isInteger(limit) && limit > 0 ? limit : ASSUMED;
  } catch {
    return ASSUMED;
  }
}

/** Half of what isn't reserved: each client may need a connection to an upstream. At least one. */
export function shareOfClients(limit: number): number {
  return Math.max(1, Math.floor((limit - RESERVED) / 2));
}
