import type { Client } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../domain/service/messages';

/** Temporal's number for the type Keyword. */
const KEYWORD = 2;

/** Adds the search attributes that are missing; a server started by us has them, another may not. */
export async function ensureSearchAttributes(client: Client, namespace: string): Promise<void> {
  const { operatorService } = client.connection as typeof client.connection & {
    operatorService: import('@temporalio/client').OperatorService;
  };
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = SEARCH_ATTRIBUTES.filter((name) => customAttributes?.[name] === undefined);
  if (missing.length === 0) return;
  await operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD])),
  });
}
