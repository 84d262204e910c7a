/**
 * A small read-only file system, ISO 9660 (ECMA-119) with Joliet names: what every system reads a CD by. The same files
 * give the same bytes wherever it is made, so that a machine that migrates finds the same.
 */
const SECTOR_BYTES = 2_048;
/** What comes before the volume descriptors belongs to the system. */
const FIRST_DESCRIPTOR = 16;
const JOLIET_LEVEL_3 = '%/E';
const DIRECTORY = 2;

/** Where things are, in sectors: the two trees differ only in how names are written. */
const AT = { primaryTable: 19, jolietTable: 21, primaryRoot: 23, jolietRoot: 24, files: 25 } as const;

interface Naming {
  readonly root: number;
  readonly table: number;
  readonly text: (text: string) => Buffer;
  readonly name: (file: string) => string;
}

const PRIMARY: Naming = {
  root: AT.primaryRoot,
  table: AT.primaryTable,
  text: (text) => Buffer.from(text, 'ascii'),
  name: (file) => `${file.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}.`,
};
const JOLIET: Naming = {
  root: AT.jolietRoot,
  table: AT.jolietTable,
  text: (text) => Buffer.from(text, 'utf16le').swap16(),
  name: (file) => file,
};

interface Extent {
  readonly name: string;
  readonly sector: number;
  readonly bytes: number;
}

/**
 * @param label of the volume, 16 characters at most
 * @param files by name, all in one folder: a dozen at most, of names of 30 ASCII characters at most
 */
export function iso9660(label: string, files: Readonly<Record<string, Buffer | string>>): Buffer {
  const contents = Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, content]) => ({ name, content: Buffer.from(content) }));
  let sector: number = AT.files;
  const extents = contents.map(({ name, content }): Extent => {
    const extent = { name, sector, bytes: content.length };
    sector += sectorsOf(content.length);
    return extent;
  });
  const volume = Buffer.alloc(sector * SECTOR_BYTES);
  const put = (at: number, bytes: Buffer) => bytes.copy(volume, at * SECTOR_BYTES);
  put(FIRST_DESCRIPTOR, descriptor(1, label, sector, PRIMARY));
  put(FIRST_DESCRIPTOR + 1, descriptor(2, label, sector, JOLIET));
  put(FIRST_DESCRIPTOR + 2, Buffer.from([255, ...Buffer.from('CD001'), 1]));
  for (const naming of [PRIMARY, JOLIET]) {
    put(naming.table, pathTable(naming.root, false));
    put(naming.table + 1, pathTable(naming.root, true));
    put(naming.root, folder(naming, extents));
  }
  contents.forEach(({ content }, i) => {
    put(extents[i]?.sector ?? 0, content);
  });
  return volume;
}

const sectorsOf = (bytes: number) => Math.ceil(bytes / SECTOR_BYTES);

/** Numbers stand there in both orders of bytes. */
function both32(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value, 0);
  bytes.writeUInt32BE(value, 4);
  return bytes;
}
function both16(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(value, 0);
  bytes.writeUInt16BE(value, 2);
  return bytes;
}

function descriptor(type: 1 | 2, label: string, sectors: number, naming: Naming): Buffer {
  const bytes = Buffer.alloc(SECTOR_BYTES);
  const put = (at: number, part: Buffer) => part.copy(bytes, at - 1);
  /** Padded by spaces, as long as the field is. */
  const text = (at: number, length: number, value = '') => {
    const space = naming.text(' ');
    for (let i = 0; i < length; i++) bytes[at - 1 + i] = space[i % space.length] ?? 0;
    naming.text(value).copy(bytes, at - 1, 0, length);
  };
  put(1, Buffer.from([type, ...Buffer.from('CD001'), 1]));
  text(9, 32);
  text(41, 32, label);
  put(81, both32(sectors));
  if (type === 2) put(89, Buffer.from(JOLIET_LEVEL_3));
  put(121, both16(1));
  put(125, both16(1));
  put(129, both16(SECTOR_BYTES));
  put(133, both32(pathTable(0, false).length));
  bytes.writeUInt32LE(naming.table, 140);
  bytes.writeUInt32BE(naming.table + 1, 148);
  put(157, record(naming.root, SECTOR_BYTES, DIRECTORY, Buffer.from([0])));
  for (const [at, length] of [
    [191, 128],
    [319, 128],
    [447, 128],
    [575, 128],
    [703, 37],
    [740, 37],
    [777, 37],
  ] as const)
    text(at, length);
  // No times: nobody knows when, or it would be another volume each time.
  for (const at of [814, 831, 848, 865]) put(at, Buffer.from(`${'0'.repeat(16)}\0`, 'latin1'));
  bytes[881] = 1;
  return bytes;
}

function pathTable(root: number, bigEndian: boolean): Buffer {
  const bytes = Buffer.alloc(10);
  bytes[0] = 1;
  if (bigEndian) bytes.writeUInt32BE(root, 2);
  else bytes.writeUInt32LE(root, 2);
  if (bigEndian) bytes.writeUInt16BE(1, 6);
  else bytes.writeUInt16LE(1, 6);
  return bytes;
}

function folder(naming: Naming, extents: readonly Extent[]): Buffer {
  const itself = record(naming.root, SECTOR_BYTES, DIRECTORY, Buffer.from([0]));
  const parent = record(naming.root, SECTOR_BYTES, DIRECTORY, Buffer.from([1]));
  const entries = extents.map(({ name, sector, bytes }) =>
    record(sector, bytes, 0, naming.text(`${naming.name(name)};1`)),
  );
  const all = Buffer.concat([itself, parent, ...entries]);
  if (all.length > SECTOR_BYTES) throw new RangeError('more files than a folder of one sector holds');
  return all;
}

function record(sector: number, size: number, flags: number, name: Buffer): Buffer {
  const length = 33 + name.length + (name.length % 2 === 0 ? 1 : 0);
  const bytes = Buffer.alloc(length);
  bytes[0] = length;
  both32(sector).copy(bytes, 2);
  both32(size).copy(bytes, 10);
  // 1970-01-01 00:00:00 UTC.
  Buffer.from([70, 1, 1, 0, 0, 0, 0]).copy(bytes, 18);
  bytes[25] = flags;
  both16(1).copy(bytes, 28);
  bytes[32] = name.length;
  name.copy(bytes, 33);
  return bytes;
}
