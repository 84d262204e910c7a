/** A file of an archive; links and folders have a mode of their own kind. */
export interface CpioEntry {
  readonly path: string;
  readonly mode: number;
  readonly content: Buffer;
}

const FOLDER = 0o040000;
const FILE = 0o100000;
const LINK = 0o120000;

export const folder = (path: string, permissions = 0o755): CpioEntry => ({
  path,
  mode: FOLDER | permissions,
  content: Buffer.alloc(0),
});
export const file = (path: string, content: Buffer | string, permissions = 0o644): CpioEntry => ({
  path,
  mode: FILE | permissions,
  content: Buffer.from(content),
});
export const link = (path: string, target: string): CpioEntry => ({
  path,
  mode: LINK | 0o777,
  content: Buffer.from(target),
});

/**
 * An archive of the "newc" kind, which Linux unpacks as its first root file system
 * (docs.kernel.org/driver-api/early-userspace/buffer-format.html). The same entries give the same bytes.
 */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.map((entry, i) => packed(entry, i + 1));
  return Buffer.concat([...parts, packed({ path: 'TRAILER!!!', mode: 0, content: Buffer.alloc(0) }, 0)]);
}

function packed({ path, mode, content }: CpioEntry, inode: number): Buffer {
  const name = Buffer.from(`${path}\0`);
  const links = mode & FOLDER ? 2 : 1;
  const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map((f) => f.toString(16).padStart(8, '0')).join('')}`);
  return Buffer.concat([padded(Buffer.concat([header, name])), padded(content)]);
}

const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
