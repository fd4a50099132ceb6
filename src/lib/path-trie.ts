/** A radix trie over string prefixes of paths: which prefixes cover a path, in one walk. */
interface Node {
  /** Text of the edge that leads here. */
  edge: string;
  children: Map<number, Node> | undefined;
  /** Values whose prefix ends here. */
  prefixes: number[] | undefined;
  /** Values whose exact path ends here. */
  exacts: number[] | undefined;
}

const node = (edge: string): Node => ({
  edge,
  children: undefined,
  prefixes: undefined,
  exacts: undefined,
});

export class PathTrie {
  readonly #root = node('');

  addPrefix(prefix: string, value: number): void {
    const at = this.#reach(prefix);
    (at.prefixes ??= []).push(value);
  }

  addExact(path: string, value: number): void {
    const at = this.#reach(path);
    (at.exacts ??= []).push(value);
  }

  /** Writes the values of all covering prefixes and of the equal exact path; returns how many. */
  collect(path: string, out: number[]): number {
    let count = 0;
    let current: Node | undefined = this.#root;
    let at = 0;
    while (current !== undefined) {
      if (current.prefixes !== undefined)
        for (const value of current.prefixes) out[count++] = value;
      if (at === path.length) {
        if (current.exacts !== undefined) for (const value of current.exacts) out[count++] = value;
        return count;
      }
      const next: Node | undefined = current.children?.get(path.charCodeAt(at));
      if (next === undefined || !path.startsWith(next.edge, at)) return count;
      at += next.edge.length;
      current = next;
    }
    return count;
  }

  #reach(text: string): Node {
    let current = this.#root;
    let at = 0;
    while (at < text.length) {
      const children: Map<number, Node> = (current.children ??= new Map());
      const next = children.get(text.charCodeAt(at));
      if (next === undefined) {
        const leaf = node(text.slice(at));
        children.set(text.charCodeAt(at), leaf);
        return leaf;
      }
      const shared = sharedLength(next.edge, text, at);
      if (shared < next.edge.length) split(children, next, shared);
      current = children.get(text.charCodeAt(at)) as Node;
      at += shared;
    }
    return current;
  }
}

function sharedLength(edge: string, text: string, at: number): number {
  let length = 0;
  while (length < edge.length && edge.charCodeAt(length) === text.charCodeAt(at + length)) length++;
  return length;
}

/** Puts a node between a parent and `lower`, at `length` characters of its edge. */
function split(siblings: Map<number, Node>, lower: Node, length: number): void {
  const upper = node(lower.edge.slice(0, length));
  siblings.set(upper.edge.charCodeAt(0), upper);
  lower.edge = lower.edge.slice(length);
  upper.children = new Map([[lower.edge.charCodeAt(0), lower]]);
}
