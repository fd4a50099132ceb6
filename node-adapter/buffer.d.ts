/** Methods that every Buffer has and its types don't say: they read and write text without looking up an encoding. */
interface Buffer {
  latin1Slice(start?: number, end?: number): string;
  /** Returns how many bytes were written. */
  latin1Write(text: string, offset?: number, length?: number): number;
  utf8Write(text: string, offset?: number, length?: number): number;
}
