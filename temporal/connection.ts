import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';

/**
 * Address, namespace, TLS and API key as Temporal's own tools read them from the environment and its
 * configuration file (`@temporalio/envconfig`).
 */
export function temporalEnvironment() {
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  return { connectionOptions, namespace };
}

/** gRPC's own backoff leaves a client 11 s behind a server that was away for 75 s; with these it is 0.25 s. */
const CHANNEL = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 1_000 };

/** A client that connects when it is first used, so that its process can start while Temporal is away. */
export function lazyTemporalClient(): { client: Client; namespace: string } {
  const { connectionOptions, namespace } = temporalEnvironment();
  const { address, apiKey, tls, metadata } = connectionOptions;
  const connection = Connection.lazy({
    ...(address ? { address } : {}),
    ...(apiKey ? { apiKey } : {}),
    ...(tls === undefined || tls === null ? {} : { tls }),
    ...(metadata ? { metadata } : {}),
    channelArgs: CHANNEL,
    connectTimeout: '2s',
  });
  return { client: new Client({ connection, namespace }), namespace };
}

/** How long a request waits for Temporal before it answers 503. */
export const REQUEST_DEADLINE_MILLIS = 5_000;

const AWAY = new Set([1, 4, 8, 14]);

/** CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED or UNAVAILABLE, however deep the SDK has wrapped it. */
export function isTemporalAway(error: unknown): boolean {
  for (let e: unknown = error; e instanceof Error; e = e.cause)
    if (isGrpcServiceError(e) && AWAY.has(e.code)) return true;
  return (
    error instanceof Error &&
    /No connection established|Failed to connect before the deadline/.test(error.message)
  );
}
