/**
 * A socket in the file system that one process takes over from another: it is bound under a name of its own and put in
 * place in one step. Whoever bound it removes that name when it closes, which is nobody's any more.
 */
import { lstatSync, renameSync, unlinkSync } from 'node:fs';

export interface UnixPath {
  readonly name: string;
  /** Where to listen. */
  readonly draft: string;
  /** Puts it in place. */
  publish(): void;
  /** Removes it, unless another process has put its own there. */
  remove(): void;
}

export function openPath(name: string): UnixPath {
  const draft = `${name}.${process.pid}`;
  let inode = 0n;
  const inodeOf = (path: string): bigint => lstatSync(path, { bigint: true }).ino;
  return {
    name,
    draft,
    publish() {
      inode = inodeOf(draft);
      renameSync(draft, name);
    },
    remove() {
      try {
        if (inodeOf(name) === inode) unlinkSync(name);
      } catch {
        // It is gone.
      }
    },
  };
}
