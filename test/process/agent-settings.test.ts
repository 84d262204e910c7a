import { overcommitted, withDevices } from '../../domain/host';
import { countsOf } from '../../drivers/lib/device-numbers';
import { agentSettings } from '../../worker/agent-settings';

const environment = (hosts: string) => ({
  ...{
    SLUICE_AGENT: 'a',
    SLUICE_API_URL: 'http://localhost:1',
    SLUICE_AGENT_DIR: '/tmp',
    SLUICE_HOSTS: hosts,
  },
});
const fingerprint = {
  ...{ driver: 'simulator', description: '', real: false, capabilities: {} as never, images: [] },
  capacity: { cpuMillis: 4_000, memoryMiB: 1_000, diskMiB: 10, bandwidthKbps: 1 },
  attributes: { kernel: 'x' },
};

describe('the settings of an agent', () => {
  it('say how often over a host is given away, by dimension', () => {
    const [host] = agentSettings(
      environment('[{"id":"h","driver":"simulator","overcommit":{"cpuMillis":1.5}}]'),
    ).hosts;
    expect(host).toMatchObject({ id: 'h', overcommit: { cpuMillis: 1.5 } });
    expect(overcommitted(fingerprint, host?.overcommit ?? {})).toEqual({
      ...fingerprint,
      physical: { cpuMillis: 4_000, memoryMiB: fingerprint.capacity.memoryMiB },
      capacity: { ...fingerprint.capacity, cpuMillis: 6_000 },
      attributes: { kernel: 'x', 'physical.cpuMillis': '4000' },
    });
    expect(overcommitted(fingerprint, {})).toEqual(fingerprint);
  });

  it('say which devices a host has, by number or by their nodes', () => {
    const [host] = agentSettings(
      environment('[{"id":"h","driver":"simulator","devices":{"gpu":["/dev/a0","/dev/a1"],"tpu-v2":3}}]'),
    ).hosts;
    expect(countsOf(host?.devices ?? {})).toEqual({ gpu: 2, 'tpu-v2': 3 });
    const several = { each: [['/dev/b0', '/dev/c0'], ['/dev/b1']], shared: ['/dev/ctl'] };
    const one = {
      id: 'h',
      driver: 'simulator',
      devices: { gpu: several, tpu: { each: [['/dev/t']], shared: ['/dev/ctl'] } },
    };
    const devices = agentSettings(environment(JSON.stringify([one]))).hosts[0]?.devices ?? {};
    expect(countsOf(devices)).toEqual({ gpu: 2, tpu: 1 });
    expect(withDevices(fingerprint, countsOf(host?.devices ?? {})).capacity.devices).toEqual({
      ...{ gpu: 2, 'tpu-v2': 3 },
    });
    expect(withDevices(fingerprint, {})).toBe(fingerprint);
  });

  it('say what a host keeps for itself, and what each does of which nothing is said', () => {
    const text =
      '[{"id":"a","driver":"simulator","reserve":{"memoryMiB":1}},{"id":"b","driver":"simulator"}]';
    const all = { ...environment(text), SLUICE_HOST_RESERVE: '{"cpuMillis":500}' };
    expect(agentSettings(all).hosts.map((h) => h.reserve)).toEqual([{ memoryMiB: 1 }, { cpuMillis: 500 }]);
    expect(agentSettings(environment(text)).hosts[1]?.reserve).toEqual({});
    for (const wrong of ['{"cpu":1}', '{"cpuMillis":-1}', '500m'])
      expect(() => agentSettings({ ...all, SLUICE_HOST_RESERVE: wrong })).toThrow(
        /SLUICE_HOST_RESERVE is not/,
      );
  });

  it('name each host once', () => {
    const twice = [
      { id: 'h', driver: 'simulator' },
      { id: 'h', driver: 'simulator' },
    ];
    expect(() => agentSettings(environment(JSON.stringify(twice)))).toThrow(/a host is in it more than once/);
  });

  it('say what a host costs and draws, if anything', () => {
    const economy = {
      price: { perHour: 0.12, perCpuHour: 0.01 },
      power: { idleWatts: 90, peakWatts: 250, wakeSeconds: 60 },
      failuresPerYear: 2,
    };
    const [priced, free] = agentSettings(
      environment(
        JSON.stringify([
          { id: 'h', driver: 'simulator', ...economy },
          { id: 'i', driver: 'simulator' },
        ]),
      ),
    ).hosts;
    expect(priced).toMatchObject(economy);
    for (const key of ['price', 'power', 'failuresPerYear']) expect(free).not.toHaveProperty(key);
  });

  it.each([
    ['[{"id":"h","driver":"npm:"}]', /driver/],
    ['[{"id":"h","driver":"simulator","devices":{"GPU":1}}]', /devices/],
    ['[{"id":"h","driver":"simulator","devices":{"gpu":0}}]', /devices/],
    ['[{"id":"h","driver":"simulator","devices":{"gpu":["/etc/passwd"]}}]', /devices/],
    ['[{"id":"h","driver":"simulator","devices":{"gpu":{"each":["/dev/a"]}}}]', /devices/],
    [
      '[{"id":"h","driver":"simulator","devices":{"gpu":["/dev/a","/dev/a"]}}]',
      /\/dev\/a is .* more than once/,
    ],
    ['[{"id":"h","driver":"simulator","devices":{"gpu":["/dev/a"],"tpu":["/dev/a"]}}]', /more than once/],
    [
      '[{"id":"h","driver":"simulator","devices":{"gpu":{"each":[["/dev/a"]],"shared":["/dev/a"]}}}]',
      /more than once/,
    ],
    [
      '[{"id":"h","driver":"simulator","devices":{"gpu":["/dev/a"]}},{"id":"i","driver":"simulator","devices":{"gpu":["/dev/a"]}}]',
      /more than once/,
    ],
    ['[{"id":"h"', /SLUICE_HOSTS is not JSON/],
    ['[]', /SLUICE_HOSTS is not usable/],
    ['[{"id":"h","driver":"simulator","overcommit":{"cpuMillis":0.5}}]', /cpuMillis/],
    ['[{"id":"h","driver":"simulator","overcommit":{"gpus":2}}]', /gpus/],
    ['[{"id":"h","driver":"simulator","price":{"perHour":-1}}]', /perHour/],
    ['[{"id":"h","driver":"simulator","power":{"idleWatts":9,"peakWatts":1}}]', /peakWatts/],
  ])('%s is refused', (hosts, why) => {
    expect(() => agentSettings(environment(hosts))).toThrow(why);
  });
});
