/**
 * The lines that were added to a file since the last look, in pieces, so that nothing else waits for it.
 *
 * Invariants: only what was added is read; a line is given out once it is whole, whatever its bytes came in; a file that was cut off, replaced or written anew is noticed and read
 * from its beginning; a line longer than LINE_MAX is passed over without being held, and counted. A cursor stands only ever at the beginning of a line, or inside one that is passed over.
 */
import { open, type FileHandle } from 'node:fs/promises';

/** Bytes of one read: small enough that whoever else has work hardly waits for what is done with them. */
export const READ_BYTES = 256 * 1024;
/** No answer of a model is as long; what tools printed may be, and has no usage. */
export const LINE_MAX = 4 * 1024 * 1024;
/** Bytes before the cursor that are compared. */
const MARK_BYTES = 64;
const NEWLINE = 10;

export interface Cursor {
  /** Device and inode. */
  readonly identity: string;
  readonly offset: number;
  /** The bytes just before the offset, base64. */
  readonly mark: string;
  /** The offset is inside a line that is too long. */
  readonly passing: boolean;
  /** Lines that were too long, so far. */
  readonly passed: number;
}

export interface FileFacts {
  readonly identity: string;
  readonly size: number;
  /** When it was made, milliseconds; the oldest time that the system knows. */
  readonly born: number;
}

/** What one step brought. */
export interface Piece {
  readonly lines: readonly Buffer[];
  /** There is more to read now. */
  readonly more: boolean;
}

export class AppendedLines {
  readonly facts: FileFacts;
  readonly #file: FileHandle;
  /** One for all reads: what is given out of it is used before the next. */
  readonly #buffer = Buffer.allocUnsafe(READ_BYTES);
  #cursor: Cursor;
  /** What was read behind the cursor: the beginning of a line. */
  #held: Buffer[] = [];
  #heldBytes = 0;

  private constructor(file: FileHandle, facts: FileFacts, cursor: Cursor) {
    this.#file = file;
    this.facts = facts;
    this.#cursor = cursor;
  }

  /** Throws what the file system says. `before`: where the last look ended. */
  static async open(path: string, before: Cursor | undefined): Promise<AppendedLines> {
    const file = await open(path, 'r');
    try {
      const stat = await file.stat();
      const born = [stat.birthtimeMs, stat.mtimeMs].filter((time) => time > 0);
      const facts = { identity: `${stat.dev}:${stat.ino}`, size: stat.size, born: Math.floor(Math.min(...born)) };
      const goesOn = before !== undefined && (await isSame(file, facts, before));
      return new AppendedLines(file, facts, goesOn ? before : beginning(facts, before));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** What is read up to here is given out up to here, but for a line that has begun. */
  get cursor(): Cursor {
    return this.#cursor;
  }

  /** Where the next read begins. */
  get position(): number {
    return this.#cursor.offset + this.#heldBytes;
  }

  /** Its lines are there until the next call. */
  async next(): Promise<Piece> {
    const { position } = this;
    const want = Math.min(READ_BYTES, this.facts.size - position);
    const { bytesRead } = want <= 0 ? { bytesRead: 0 } : await this.#file.read(this.#buffer, 0, want, position);
    if (bytesRead === 0) return { lines: [], more: false };
    const lines = this.#take(this.#buffer.subarray(0, bytesRead));
    return { lines, more: position + bytesRead < this.facts.size };
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #take(bytes: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let from = 0;
    let { offset, passing, passed } = this.#cursor;
    const before = offset + this.#heldBytes;
    const ahead = this.#held.at(-1) ?? Buffer.from(this.#cursor.mark, 'base64');
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      if (!passing) lines.push(this.#joined(bytes.subarray(from, end)));
      passing = false;
      this.#release();
      from = end + 1;
      offset = before + from;
    }
    const rest = bytes.subarray(from);
    if (passing) offset += rest.length;
    else if (this.#heldBytes + rest.length > LINE_MAX) {
      passing = true;
      passed += 1;
      offset += this.#heldBytes + rest.length;
      this.#release();
    } else if (rest.length > 0) {
      this.#held.push(Buffer.from(rest));
      this.#heldBytes += rest.length;
    }
    const atEnd = offset === before + bytes.length;
    const known = atEnd ? bytes : bytes.subarray(0, from);
    const mark = offset === this.#cursor.offset ? this.#cursor.mark : markOf(ahead, known);
    this.#cursor = { ...this.#cursor, offset, passing, passed, mark };
    return lines;
  }

  #joined(last: Buffer): Buffer {
    return this.#held.length === 0 ? last : Buffer.concat([...this.#held, last]);
  }

  #release(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }
}

function beginning({ identity }: FileFacts, before: Cursor | undefined): Cursor {
  return { identity, offset: 0, mark: '', passing: false, passed: before?.passed ?? 0 };
}

/** The last bytes before the offset; `ahead` are those just before `bytes`, which alone may be few. */
function markOf(ahead: Buffer, bytes: Buffer): string {
  const joined = bytes.length >= MARK_BYTES ? bytes : Buffer.concat([ahead, bytes]);
  return joined.subarray(Math.max(0, joined.length - MARK_BYTES)).toString('base64');
}

async function isSame(file: FileHandle, facts: FileFacts, before: Cursor): Promise<boolean> {
  if (facts.identity !== before.identity || facts.size < before.offset) return false;
  const mark = Buffer.from(before.mark, 'base64');
  if (mark.length === 0) return true;
  const found = Buffer.alloc(mark.length);
  await file.read(found, 0, mark.length, before.offset - mark.length);
  return found.equals(mark);
}
