import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DriverState } from '../../drivers/contract';
import type { KeptVee } from '../../drivers/lib/vee-records';
import type { TestSite } from './site';

/** Changes what simulated hosts hold, behind everybody's back: the simulator reads its records at each call. */
export class SimulatedHosts {
  private readonly site: TestSite;

  constructor(site: TestSite) {
    this.site = site;
  }

  has(hostId: string, veeId: string): boolean {
    return existsSync(this.path(hostId, veeId));
  }

  async kept(hostId: string, veeId: string): Promise<KeptVee> {
    return JSON.parse(await readFile(this.path(hostId, veeId), 'utf8'));
  }

  async become(hostId: string, veeId: string, state: DriverState): Promise<void> {
    await this.put(hostId, { ...(await this.kept(hostId, veeId)), state });
  }

  async put(hostId: string, vee: KeptVee): Promise<void> {
    await mkdir(join(this.folder(hostId), vee.spec.veeId), { recursive: true });
    await writeFile(this.path(hostId, vee.spec.veeId), JSON.stringify(vee));
  }

  async lose(hostId: string, veeId: string): Promise<void> {
    await rm(join(this.folder(hostId), veeId), { recursive: true, force: true });
  }

  private folder(hostId: string): string {
    return join(this.site.hostFolder(hostId), 'vees');
  }

  private path(hostId: string, veeId: string): string {
    return join(this.folder(hostId), veeId, 'vee.json');
  }
}
