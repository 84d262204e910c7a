import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { BootGate } from '../../drivers/qemu/boot-gate';
import { commandLine } from '../../drivers/qemu/command-line';
import { quoted, writeContext } from '../../drivers/qemu/context';
import { cpio, file, folder, link } from '../../drivers/qemu/guest/cpio';
import { type Layout, machineType, mismatch, planResize, totalMemoryMiB } from '../../drivers/qemu/layout';
import { specFor } from '../support/specs';

const LAYOUT: Layout = {
  machine: 'pc',
  accelerator: 'tcg',
  qemu: '7.2',
  imageDigest: 'abc',
  bootMemoryMiB: 128,
  mostMemoryMiB: 512,
  dimmsMiB: [],
  bootVcpus: 1,
  mostVcpus: 4,
  pluggedVcpus: [],
  diskMiB: 64,
};
const SIZE = { cpuMillis: 1_000, memoryMiB: 128, diskMiB: 64, bandwidthKbps: 0 };
const refusal = expect.objectContaining({ code: 'driver-refused' });

describe('a machine that runs comes to another size', () => {
  it.each([
    ['the same', {}, { dimmMiB: 0, guestMemoryMiB: 128, moreVcpus: 0, growDiskToMiB: 0 }],
    ['less memory, by its balloon', { memoryMiB: 100 }, { dimmMiB: 0, guestMemoryMiB: 100 }],
    [
      'more memory, by a whole DIMM and its balloon',
      { memoryMiB: 130 },
      { dimmMiB: 128, guestMemoryMiB: 130 },
    ],
    ['part of another core, which is a vCPU', { cpuMillis: 1_001 }, { moreVcpus: 1 }],
    ['a smaller part of the core it has', { cpuMillis: 1 }, { moreVcpus: 0 }],
    ['a larger disk', { diskMiB: 65 }, { growDiskToMiB: 65 }],
  ])('%s', (_, change, plan) => {
    expect(planResize(LAYOUT, { ...SIZE, ...change }, 96)).toMatchObject(plan);
  });

  it.each([
    ['less memory than its image needs', LAYOUT, { memoryMiB: 95 }],
    ['more memory than it was started for', LAYOUT, { memoryMiB: 513 }],
    [
      'memory by a DIMM that would be too much, rounded up',
      { ...LAYOUT, mostMemoryMiB: 200 },
      { memoryMiB: 190 },
    ],
    [
      'more DIMMs than there are slots',
      { ...LAYOUT, mostMemoryMiB: 8_192, dimmsMiB: Array(8).fill(128) },
      { memoryMiB: 1_300 },
    ],
    ['fewer vCPUs', { ...LAYOUT, bootVcpus: 2 }, {}],
    ['more vCPUs than sockets', LAYOUT, { cpuMillis: 4_001 }],
    ['a smaller disk', LAYOUT, { diskMiB: 63 }],
    ['a disk where it has none', { ...LAYOUT, diskMiB: 0 }, {}],
  ])('but not to %s', (_, layout, change) => {
    expect(() => planResize(layout, { ...SIZE, ...change }, 96)).toThrow(refusal);
  });

  it('has what it asked for, and never more than it was started for', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.array(fc.constant(128), { maxLength: 3 }),
        (memoryMiB, dimmsMiB) => {
          const layout = { ...LAYOUT, dimmsMiB };
          try {
            const plan = planResize(layout, { ...SIZE, memoryMiB }, 96);
            const total = totalMemoryMiB(layout) + plan.dimmMiB;
            expect(plan.guestMemoryMiB).toBe(memoryMiB);
            expect(total).toBeGreaterThanOrEqual(memoryMiB);
            expect(total).toBeLessThanOrEqual(layout.mostMemoryMiB);
          } catch (error) {
            expect(error).toEqual(refusal);
          }
        },
      ),
    );
  });

  it('runs only where machines are made like it', () => {
    expect(mismatch(LAYOUT, { ...LAYOUT, bootMemoryMiB: 1 })).toBeUndefined();
    for (const other of [
      { accelerator: 'kvm' },
      { qemu: '8.0' },
      { imageDigest: 'x' },
      { machine: 'q35' },
    ] as const)
      expect(mismatch(LAYOUT, { ...LAYOUT, ...other })).toContain(Object.keys(other)[0]);
    expect(() => machineType('microvm')).toThrow(refusal);
  });
});

describe('what a machine is told', () => {
  it('reaches a shell as it is, whatever is in it', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ unit: 'binary' }).filter((s) => !s.includes('\0')),
          { minLength: 1, maxLength: 4 },
        ),
        (words) => {
          const script = `for word in ${words.map(quoted).join(' ')}; do printf '%s\\0' "$word"; done`;
          expect(execFileSync('/bin/sh', ['-c', script]).toString()).toBe(`${words.join('\0')}\0`);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('does not depend on its epoch, nor its command line on where it is or what it is called', async () => {
    const at = await mkdtemp(join(tmpdir(), 'sluice-context-'));
    const contexts = [1, 10].map(async (epoch) => {
      await writeContext(join(at, String(epoch)), { ...specFor('vee-a'), epoch });
      return execFileSync('cat', [join(at, String(epoch), 'context', 'vee.json')]).toString();
    });
    const [one, ten] = await Promise.all(contexts);
    expect(one).toBe(ten);
    await rm(at, { recursive: true });
    const image = {
      kind: 'disk',
      format: 'qcow2',
      path: '/i/a,b";.qcow2',
      digest: '',
      leastMemoryMiB: 0,
      leastDiskMiB: 0,
    } as const;
    const disk = commandLine(LAYOUT, image).find((argument) => argument.includes('a,b'));
    expect(JSON.parse(disk ?? '')).toMatchObject({
      backing: { backing: null, file: { filename: image.path } },
    });
  });
});

it('lets so many machines boot at a time, in order', async () => {
  const gate = new BootGate(2);
  const inside: number[] = [];
  const leaving = [0, 1, 2, 3].map((i) =>
    gate.enter().then((leave) => {
      inside.push(i);
      return leave;
    }),
  );
  await Promise.all(leaving.slice(0, 2));
  expect(inside).toEqual([0, 1]);
  (await leaving[0])?.();
  await leaving[2];
  expect(inside).toEqual([0, 1, 2]);
  (await leaving[1])?.();
  (await leaving[2])?.();
  await leaving[3];
});

it('packs an archive as the kernel reads it', () => {
  const packed = cpio([folder('bin'), file('bin/a', 'hello', 0o755), link('bin/b', 'a')]);
  expect(packed.length % 4).toBe(0);
  expect(packed.subarray(0, 14).toString()).toBe('07070100000001');
  expect(packed.toString('latin1').match(/070701/g)).toHaveLength(4);
  expect(packed.includes('TRAILER!!!')).toBe(true);
  expect(cpio([folder('bin'), file('bin/a', 'hello', 0o755), link('bin/b', 'a')])).toEqual(packed);
});
