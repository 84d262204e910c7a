import { devicesFor, nodesOf } from '../../drivers/lib/device-numbers';

describe('the devices of VEEs', () => {
  const before = { gpu: ['/dev/a0', '/dev/a1', '/dev/a2'] };
  const first = devicesFor({ gpu: 1 }, before, []);

  it('are known by their nodes, wherever these are in the settings by now', () => {
    expect(first).toEqual({ devices: { gpu: [0] }, nodes: ['/dev/a0'] });
    const turned = { gpu: ['/dev/a2', '/dev/a0', '/dev/a1'] };
    const rest = devicesFor({ gpu: 2 }, turned, [first]);
    expect(rest.nodes).toEqual(['/dev/a2', '/dev/a1']);
    expect(nodesOf(turned, first)).toEqual(['/dev/a0']);
    // Shorter, and by another name.
    const shorter = { gpu: ['/dev/a1'], tpu: ['/dev/a0'] };
    expect(devicesFor({ gpu: 1 }, shorter, [first]).nodes).toEqual(['/dev/a1']);
    expect(() => devicesFor({ tpu: 1 }, shorter, [first])).toThrow(/0 of 1 are not in the hands/);
  });

  it('are known by their numbers where records or settings have no nodes', () => {
    expect(devicesFor({ gpu: 1 }, before, [{ devices: { gpu: [0] } }]).nodes).toEqual(['/dev/a1']);
    expect(devicesFor({ gpu: 1 }, { gpu: 2 }, [first])).toEqual({ devices: { gpu: [1] } });
    expect(nodesOf(before, { devices: { gpu: [1] } })).toEqual(['/dev/a1']);
  });

  it('may be several nodes each, and come with those that all share', () => {
    const host = {
      gpu: {
        each: [
          ['/dev/a0', '/dev/b0'],
          ['/dev/a1', '/dev/b1'],
        ],
        shared: ['/dev/ctl'],
      },
      tpu: { each: [['/dev/t']], shared: ['/dev/ctl'] },
    };
    const one = devicesFor({ gpu: 1, tpu: 1 }, host, []);
    expect(nodesOf(host, one)).toEqual(['/dev/a0', '/dev/b0', '/dev/t', '/dev/ctl']);
    expect(devicesFor({ gpu: 1 }, host, [one]).nodes).toEqual(['/dev/a1', '/dev/b1']);
    expect(() => devicesFor({ gpu: 1, constructor: 1 }, host, [])).toThrow(/constructor needed, but 0 of 0/);
  });
});
