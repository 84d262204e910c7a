import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import { readJson } from '../drivers/lib/atomic-file';
import { type ConnectionFile, connectionPath } from '../supervisor/connection-file';
import { CliError, EXIT } from './exit-codes';
import { asCliError } from './problem';

const ATTEMPTS = 3;

/** What is sent to another host just now. */
export interface TransferView {
  readonly veeId: string;
  readonly phase: string;
  readonly sentBytes: number;
  readonly remainingBytes: number;
  readonly bytesPerSecond: number;
  readonly dirtyBytesPerSecond?: number;
  readonly remainingMillis?: number;
  readonly escalation?: string;
}

export interface OperationView {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly serviceId: string;
  readonly veeId?: string;
  readonly hostId?: string;
  readonly steps: readonly {
    readonly name: string;
    readonly state: string;
    readonly startedAt: number;
    readonly endedAt?: number;
    readonly error?: { readonly code: string; readonly detail: string };
  }[];
  readonly progress: { readonly done: number; readonly total: number };
  readonly transfers?: readonly TransferView[];
  readonly notes?: readonly { readonly about: string; readonly error: { readonly detail: string } }[];
  readonly stuck?: {
    readonly step: string;
    readonly direction: string;
    readonly error: { readonly code: string; readonly detail: string };
    /** None when the manifest has decided already. */
    readonly choices: readonly string[];
  };
  readonly error?: { readonly code: string; readonly detail: string };
  readonly createdAt: number;
  readonly endedAt?: number;
}

/** The API, as the command line uses it: the same interface that anybody has. */
export class ApiClient {
  readonly url: string;
  private readonly token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
  }

  /** From flags, then SLUICE_URL and SLUICE_TOKEN, then what `sluice up` left in the data directory. */
  static async connect(options: { url?: string; token?: string; dataDir: string }): Promise<ApiClient> {
    const left = await readJson<ConnectionFile>(connectionPath(options.dataDir));
    const url = options.url ?? process.env.SLUICE_URL ?? left?.apiUrl;
    const token = options.token ?? process.env.SLUICE_TOKEN ?? left?.token;
    if (!url || !token)
      throw new CliError(
        'No Sluice to talk to: start one with `sluice up`, or set SLUICE_URL and SLUICE_TOKEN.',
        EXIT.unavailable,
      );
    return new ApiClient(url, token);
  }

  get<T = Record<string, unknown>>(
    path: string,
    query: Readonly<Record<string, string | number | undefined>> = {},
  ): Promise<T> {
    return this.send<T>('GET', withQuery(path, query));
  }

  /** Every write carries a key of its own, so that the retry after a lost answer is the same write. */
  write<T = OperationView>(
    method: 'POST' | 'PUT' | 'DELETE',
    path: string,
    body?: unknown,
    contentType = 'application/json',
  ): Promise<T> {
    return this.send<T>(method, path, { body, contentType, key: randomUUID() });
  }

  /** Sends bytes as they come; such a request can't be repeated by itself. */
  async put<T>(path: string, body: ReadableStream | null): Promise<T> {
    const response = await this.passing('PUT', path, { 'content-type': 'application/octet-stream' }, body);
    return (await response.json()) as T;
  }

  /** An answer whose body is read as it comes. */
  open(path: string, headers: Readonly<Record<string, string>>): Promise<Response> {
    return this.passing('GET', path, headers, null);
  }

  /** All rows of a listing, page by page. */
  async list<T>(
    path: string,
    query: Readonly<Record<string, string | number | undefined>> = {},
  ): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | undefined;
    do {
      const page: { items: T[]; nextCursor?: string } = await this.get(path, {
        ...query,
        limit: 200,
        cursor,
      });
      items.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return items;
  }

  /** Follows an operation to its end, or until it is stuck. Outlasts an API that goes away for a while. */
  async follow(
    id: string,
    seen: (operation: OperationView) => void = () => undefined,
  ): Promise<OperationView> {
    let last: OperationView | undefined;
    let failures = 0;
    for (;;) {
      try {
        for await (const operation of this.stream(id)) {
          failures = 0;
          last = operation;
          seen(operation);
          if (operation.endedAt !== undefined || operation.state === 'stuck') return operation;
        }
      } catch (error) {
        if (error instanceof CliError && error.exitCode !== EXIT.unavailable) throw error;
        if (++failures > 60) throw error;
        await delay(500);
      }
      if (last?.endedAt !== undefined) return last;
    }
  }

  private async *stream(id: string): AsyncGenerator<OperationView> {
    const response = await this.fetch('GET', `/v1/operations/${id}/events`);
    if (!response.body) throw new CliError('The API closed the stream.', EXIT.unavailable);
    const queue: OperationView[] = [];
    const parser = createParser({
      onEvent: (event) => {
        if (event.event === 'progress') queue.push(JSON.parse(event.data) as OperationView);
      },
    });
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body) {
        parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }));
        while (queue.length > 0) {
          const next = queue.shift();
          if (next) yield next;
        }
      }
    } catch (cause) {
      throw new CliError(`The stream broke: ${(cause as Error).message}`, EXIT.unavailable);
    }
  }

  private async passing(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: ReadableStream | null,
  ): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(new URL(path, this.url), {
        method,
        headers: { authorization: `Bearer ${this.token}`, ...headers },
        ...(body ? { body, duplex: 'half' } : {}),
      } as RequestInit);
    } catch (error) {
      throw new CliError(`${this.url} does not answer (${(error as Error).message}).`, EXIT.unavailable);
    }
    if (response.ok) return response;
    throw await asCliError(response);
  }

  private async send<T>(
    method: string,
    path: string,
    write?: { body?: unknown; contentType: string; key: string },
  ): Promise<T> {
    const response = await this.fetch(method, path, write);
    if (response.status === 204) return undefined as T;
    return (await response.json()) as T;
  }

  /** An API process that is being replaced is back in a second; a repeated write is the same write. */
  private async withPatience(call: () => Promise<Response>): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
        await delay(attempt * 300);
      }
    }
  }

  private async fetch(
    method: string,
    path: string,
    write?: { body?: unknown; contentType: string; key: string },
  ): Promise<Response> {
    const body =
      write?.body === undefined
        ? undefined
        : typeof write.body === 'string'
          ? write.body
          : JSON.stringify(write.body);
    let response: Response;
    try {
      response = await this.withPatience(() =>
        fetch(new URL(path, this.url), {
          method,
          headers: {
            authorization: `Bearer ${this.token}`,
            ...(write ? { 'idempotency-key': write.key } : {}),
            ...(body === undefined ? {} : { 'content-type': write?.contentType ?? 'application/json' }),
          },
          ...(body === undefined ? {} : { body }),
        }),
      );
    } catch (error) {
      throw new CliError(
        `${this.url} does not answer (${(error as Error & { cause?: Error }).cause?.message ?? (error as Error).message}). Is the site up? Start it with: sluice up`,
        EXIT.unavailable,
      );
    }
    if (response.ok) return response;
    throw await asCliError(response);
  }
}

function withQuery(path: string, query: Readonly<Record<string, string | number | undefined>>): string {
  const set = Object.entries(query).filter((e): e is [string, string | number] => e[1] !== undefined);
  return set.length === 0
    ? path
    : `${path}?${new URLSearchParams(set.map(([k, v]): [string, string] => [k, String(v)]))}`;
}
