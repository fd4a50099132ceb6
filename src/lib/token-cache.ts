/**
 * What was found of a text that a client sends again and again, as of a token whose signature was checked, until it is forgotten.
 *
 * Two generations: a hit costs one lookup and moves nothing, as a list in order of use would with every request.
 * What was used in neither of two generations is gone. The text itself is the key: to hash it costs more than all
 * the rest of a request, and a map tells equal texts apart from equal hashes by itself.
 */
const MAX_ENTRIES = 500;
const MAX_CHARACTERS = 1_048_576;

export class TokenCache<Value> {
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();
  #characters = 0;

  get(token: string): Value | undefined {
    const young = this.#young.get(token);
    if (young !== undefined) return young;
    const old = this.#old.get(token);
    if (old !== undefined) this.set(token, old);
    return old;
  }

  set(token: string, value: Value): void {
    if (!this.#young.has(token)) this.#characters += token.length;
    // Joined anew: a piece of a received head would keep all of that head in memory.
    this.#young.set(token.split('.').join('.'), value);
    if (this.#young.size < MAX_ENTRIES && this.#characters < MAX_CHARACTERS) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#characters = 0;
  }
}
