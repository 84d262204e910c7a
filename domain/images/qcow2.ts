/**
 * The header of a qcow2 image (QEMU's docs/interop/qcow2.txt). An image is somebody else's file: one that names another
 * file, to be read through it on a host, is refused before QEMU opens it.
 */
const MAGIC = 0x514649fb;
export const QCOW2_HEADER_BYTES = 104;
/** Incompatible features of version 3. */
const CORRUPT = 2n;
const EXTERNAL_DATA = 4n;
const MOST_VIRTUAL_BYTES = 2n ** 50n;
/** 512 bytes to 2 MiB. */
const CLUSTER_BITS = { least: 9, most: 21 };
const ENTRY_BITS = 3;
/** QEMU lets a first-level table grow by half more than it needs, and keeps it when a disk shrinks. */
const MOST_TABLE_RATIO = 8;
const SPARE_TABLE_ENTRIES = 64;

export type Qcow2 = { readonly virtualBytes: number } | { readonly refused: string };

/** @param start the first bytes of the file, all of them if it has fewer than the header */
export function readQcow2(start: Uint8Array): Qcow2 {
  const header = Buffer.alloc(QCOW2_HEADER_BYTES);
  header.set(start.subarray(0, QCOW2_HEADER_BYTES));
  if (header.readUInt32BE(0) !== MAGIC) return { refused: 'is corrupt: it is no qcow2' };
  const features = header.readUInt32BE(4) >= 3 ? header.readBigUInt64BE(72) : 0n;
  if (header.readBigUInt64BE(8) !== 0n || features & EXTERNAL_DATA)
    return { refused: 'refers to another file, which an image must not' };
  if (features & CORRUPT) return { refused: 'says of itself that it is corrupt' };
  if (header.readUInt32BE(32) !== 0) return { refused: 'is encrypted' };
  const virtualBytes = header.readBigUInt64BE(24);
  if (virtualBytes > MOST_VIRTUAL_BYTES) return { refused: 'claims a disk that no host has' };
  const clusterBits = header.readUInt32BE(20);
  if (clusterBits < CLUSTER_BITS.least || clusterBits > CLUSTER_BITS.most)
    return { refused: 'is corrupt: it has clusters of a size that none has' };
  // A table of entries that all lead to one broken place takes a small file and a check without end.
  const needed = Math.ceil(Number(virtualBytes) / 2 ** (2 * clusterBits - ENTRY_BITS));
  if (header.readUInt32BE(36) > needed * MOST_TABLE_RATIO + SPARE_TABLE_ENTRIES)
    return { refused: 'has a table far larger than its disk needs' };
  return { virtualBytes: Number(virtualBytes) };
}
