import { SluiceError } from '../../domain/errors';
import type { DriverConfig, VeeSpec } from '../contract';
import { HostNetwork } from './host-network';
import { probeNetworks } from './probe';

/** All hosts of an agent are on the same kernel. */
let probed: ReturnType<typeof probeNetworks> | undefined;

/** The networks of a driver's host, or why it has none. */
export async function networkFor({
  network,
  dataDir,
  names,
}: DriverConfig): Promise<HostNetwork | undefined> {
  if (!network) return undefined;
  probed ??= probeNetworks();
  if (await probed) return undefined;
  return HostNetwork.open(network, dataDir, names);
}

/** @throws SluiceError `capability-missing` */
export function requireNetwork({ networks = [] }: VeeSpec, network: HostNetwork | undefined): void {
  if (networks.length > 0 && !network)
    throw new SluiceError(
      'capability-missing',
      'This host puts no VEE on a network: sluice doctor says what it lacks.',
    );
}
