import type { IncomingMessage } from 'node:http';

const bodies = new WeakMap<IncomingMessage, Buffer>();

/** For the body parsers' `verify`: keeps the bytes as they came. */
export function keepRawBody(req: IncomingMessage, _res: unknown, body: Buffer): void {
  bodies.set(req, body);
}

/** The body as it was sent; empty when there was none. What is compared byte by byte needs no parser's care. */
export const rawBodyOf = (req: IncomingMessage): Buffer => bodies.get(req) ?? Buffer.alloc(0);
