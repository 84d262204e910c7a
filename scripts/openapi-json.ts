import { allRoutes } from '../api/app';
import type { ApiDeps } from '../api/deps';
import { openApiDocument } from '../api/openapi';

/** The document needs the routes' declarations only; no handler runs, so nothing behind them is needed. */
export function openApiJson(): Record<string, unknown> {
  return openApiDocument(allRoutes({ store: {} } as unknown as ApiDeps));
}
