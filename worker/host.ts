import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { activityInterceptor } from '../activities/interceptor';
import { createVeehActivities } from '../activities/veeh';
import { SluiceError } from '../domain/errors';
import { agentTaskQueue, type HostId } from '../domain/ids';
import type { Driver } from '../drivers/contract';
import { ImageCache } from '../drivers/lib/image-cache';
import { BYTES_PER_MIB } from '../drivers/lib/machine-usage';
import { createDriver } from '../drivers/registry';
import { FaultPoints } from '../process/fault-points';
import { onStop, reportReady, runMain } from '../process/lifecycle';
import { createLogger, type Logger } from '../process/log';
import { UnusableEnvironment } from '../process/settings';
import { workerConnection } from '../temporal/worker-connection';
import { AgentLink } from './agent-link';
import { agentSettings } from './agent-settings';
import { HostCertificates } from './host-certificates';
import { lockHost, unlockHost } from './host-locks';
import { imageFetcher } from './image-fetcher';
import { imageUploader } from './image-uploader';
import { nameSource } from './name-source';

/** Composition root of a host agent: drivers, their verbs as activities, and the link to the API. */
async function main(log: Logger): Promise<void> {
  const settings = agentSettings();
  Runtime.install({
    logger: new DefaultLogger('WARN', ({ message, meta }) => log.warn({ ...meta }, message)),
    shutdownSignals: [],
  });

  const dataDirOf = (hostId: HostId) => join(settings.dataDir, 'hosts', hostId);
  const certificates = new HostCertificates(settings.dataDir);
  await certificates.load();
  const drivers = new Map<HostId, Driver>();
  const link = new AgentLink(settings, drivers, log, certificates);
  const images = new ImageCache(
    join(settings.dataDir, 'images'),
    settings.imageCacheMiB * BYTES_PER_MIB,
    imageFetcher(settings.apiUrl, () => link.bearer),
  );
  const names = nameSource(settings.apiUrl, () => link.bearer, log);
  // What VEEs have on their disks is for nobody else on the machine.
  const hostsDir = join(settings.dataDir, 'hosts');
  await mkdir(hostsDir, { recursive: true, mode: 0o700 });
  await chmod(hostsDir, 0o700);
  for (const host of settings.hosts) {
    const dataDir = dataDirOf(host.id);
    await lockHost(host.id, dataDir);
    const driver = await createDriver(host.driver, {
      hostId: host.id,
      dataDir,
      transferAddress: settings.transferAddress,
      identity: certificates.identity(settings.siteId, host.id, settings.plainTransfers),
      images,
      ...(host.capacity ? { capacity: host.capacity } : {}),
      reserve: host.reserve,
      devices: host.devices,
      network: settings.network,
      names,
    }).catch(forGood);
    const report = await driver.recover();
    log.info({ hostId: host.id, ...report }, 'recovered');
    drivers.set(host.id, driver);
  }

  const { connection, namespace } = await workerConnection((address) =>
    log.warn({ address }, 'Temporal is not reachable yet: TEMPORAL_ADDRESS says where it is'),
  );
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: agentTaskQueue(settings.siteId, settings.agentId),
    activities: createVeehActivities(drivers, images, {
      folder: join(settings.dataDir, 'captures'),
      upload: imageUploader(settings.apiUrl, () => link.bearer),
    }),
    interceptors: { activity: [activityInterceptor(FaultPoints.fromEnvironment(settings.agentId))] },
    shutdownGraceTime: '3s',
  });
  await link.join();

  const running = worker.run();
  const beating = link.beat();
  onStop(log, async () => {
    link.stop();
    if (worker.getState() === 'RUNNING') worker.shutdown();
    await Promise.all([running, beating]);
    await connection.close();
    for (const [hostId, driver] of drivers) {
      await driver.close();
      await unlockHost(dataDirOf(hostId));
    }
  });
  log.info({ agentId: settings.agentId, hosts: settings.hosts.length }, 'host agent runs');
  reportReady();
  await running;
}

/** Settings that name no driver get no better by trying again. */
function forGood(error: unknown): never {
  if (error instanceof SluiceError && error.code === 'request-invalid')
    throw new UnusableEnvironment(error.message);
  throw error;
}

const log = createLogger('agent');
runMain(log, () => main(log));
