import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostId } from '../../domain/ids';
import { createContainerDriver } from '../../drivers/container/driver';
import { busyboxRootFs } from '../../drivers/container/image';
import { containerObstacle } from '../../drivers/container/runtime';
import type { Driver } from '../../drivers/contract';
import { findOnPath } from '../../drivers/lib/program';
import { specFor } from '../support/specs';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0 me@home';
const TOLD = {
  environment: { WHO: '${self.name} of ${self.service}', ESCAPED: '$${self.name}', SHELL_VALUE: '${HOME}/x' },
  context: {
    userData: '#!/bin/sh\necho ${self.index}\n',
    files: [
      { path: '/etc/app/app.conf', content: "name='${self.name}'\n$(reboot)\n" },
      { path: '/data/seed', content: 'seed' },
      { path: '/run/secret', content: 'quiet', mode: '0400' },
    ],
    sshKeys: [KEY],
  },
};

const obstacle = containerObstacle();
const runtimes = (['runc', 'crun'] as const).filter((r) => findOnPath(r));
if (obstacle) {
  it.skip(`real containers need ${obstacle.missing}`, () => undefined);
} else {
  describe.each(runtimes)('what a container is told, by %s', (runtime) => {
    let folder: string;
    let driver: Driver;
    beforeAll(async () => {
      // A data directory may have what an overlay's options give a meaning to.
      folder = join(await mkdtemp(join(tmpdir(), 'sluice-told-')), 'a:b,c\\d');
      driver = await createContainerDriver({ hostId: 'h' as HostId, dataDir: folder, runtime });
    });
    afterAll(async () => {
      for (const { veeId } of await driver.list()) await driver.destroy({ veeId, epoch: 99 });
      await driver.close();
      await rm(join(folder, '..'), { recursive: true, force: true });
    });

    it('is there when it starts, to be read only, and nowhere in its image; also after a resize and a restart', async () => {
      const before = await readdir(join(await busyboxRootFs(), 'etc'));
      const spec = { ...specFor(`vee-told-${runtime}-${process.pid}`, TOLD), component: 'web', index: 2 };
      const said = async (script: string) =>
        (await driver.exec(spec, ['/bin/sh', '-c', script])).stdout.trim();
      await driver.define(spec);
      await driver.start(spec);
      const seen = async () =>
        expect(
          (
            await said(
              'echo "$WHO|$ESCAPED|$SHELL_VALUE"; cat /etc/hostname /etc/app/app.conf /data/seed /run/secret; hostname; grep -c web-2 /etc/hosts; cat /run/sluice/user-data /run/sluice/authorized_keys; stat -c %a /etc/app/app.conf /run/secret; cat /run/sluice/vee.json',
            )
          ).split('\n'),
        ).toEqual([
          ...[
            'web-2 of svc-1|${self.name}|${HOME}/x',
            'web-2',
            "name='web-2'",
            '$(reboot)',
            'seedquietweb-2',
          ],
          ...['1', '#!/bin/sh', 'echo 2', KEY, '644', '400'],
          expect.stringMatching(/"component":"web","index":2,"name":"web-2"/),
        ]);
      await seen();
      const paths = ['/etc/app/app.conf', '/etc/new', '/run/sluice/vee.json', '/run/secret'];
      expect(await said(`for f in ${paths.join(' ')}; do (echo x > $f) || echo refused; done`)).toBe(
        paths.map(() => 'refused').join('\n'),
      );
      await driver.resize(spec, { ...spec.template.capacity, memoryMiB: 48 });
      await driver.stop(spec, 0);
      await driver.start(spec);
      await seen();
      expect(await readdir(join(await busyboxRootFs(), 'etc'))).toEqual(before);
    });

    it('is told anew where a VEE of that id is made anew', async () => {
      const spec = specFor(`vee-anew-${runtime}-${process.pid}`, TOLD);
      await driver.define(spec);
      const other = { files: [{ path: '/etc/other', content: 'other' }] };
      const next = { ...spec, epoch: 2, template: { ...spec.template, context: other } };
      await driver.define(next);
      await driver.start(next);
      const { stdout } = await driver.exec(next, ['/bin/sh', '-c', 'ls /etc /run/sluice']);
      expect(stdout.split('\n')).toEqual(expect.arrayContaining(['other', 'vee.json']));
      expect(stdout).not.toContain('app');
      expect(stdout).not.toContain('user-data');
    });

    it('is refused where its image has no place for a file', async () => {
      const context = { files: [{ path: '/opt/app/x', content: '' }] };
      const spec = specFor(`vee-nowhere-${runtime}-${process.pid}`, { context });
      await expect(driver.define(spec)).rejects.toMatchObject({
        code: 'driver-refused',
        message: expect.stringContaining('no folder /opt'),
      });
      expect(await driver.inspect(spec.veeId)).toBeUndefined();
    });
  });
}
