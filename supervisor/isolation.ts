import { forsaken, isolatedHosts, removeForsaken, removeIsolatedHosts } from '../drivers/network/isolated';

interface Agent {
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Hosts that reach each other only over an underlay, as those of several machines do.
 * @returns the agents, each with its host's part of it
 */
export async function isolate<A extends Agent>(agents: readonly A[], dataDir: string): Promise<A[]> {
  const hosts = await isolatedHosts(dataDir, agents.length);
  return agents.map((agent, index) => ({
    ...agent,
    environment: {
      ...agent.environment,
      SLUICE_NETWORK_NAMESPACE: hosts[index]?.namespace ?? '',
      SLUICE_UNDERLAY_ADDRESS: hosts[index]?.underlayAddress ?? '',
    },
  }));
}

/** What sites left that were killed, before they could clean up. Only root can have left it, and only root is able to. */
export async function clearForsaken(): Promise<void> {
  if (process.getuid?.() === 0 && (await forsaken()).length > 0) await removeForsaken();
}

/** All that no VEE is in: they run on without their agents, and need theirs. */
export async function endIsolation(dataDir: string): Promise<void> {
  await removeIsolatedHosts(dataDir);
}
