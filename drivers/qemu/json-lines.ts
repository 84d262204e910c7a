import type { Socket } from 'node:net';

/** An answer that grows beyond this is none: QMP's longest are a few hundred KiB. */
const MOST_LINE_CHARACTERS = 16 * 1_048_576;

/** Calls back for each line of JSON that arrives, however it was cut into packets; anything else ends the socket with an error. */
export function onJsonLines(socket: Socket, each: (message: Record<string, unknown>) => void): void {
  let pending = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    const lines = (pending + chunk).split('\n');
    pending = lines.pop() ?? '';
    if (pending.length > MOST_LINE_CHARACTERS) {
      socket.destroy(new Error('a line without an end'));
      return;
    }
    for (const line of lines) {
      if (line.trim() === '') continue;
      const message = parsed(line);
      if (!message) {
        socket.destroy(new Error(`not an object of JSON: ${line.slice(0, 80)}`));
        return;
      }
      each(message);
    }
  });
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

export const writeJsonLine = (socket: Socket, message: unknown): boolean =>
  socket.write(`${JSON.stringify(message)}\n`);
