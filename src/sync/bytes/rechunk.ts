import { setImmediate as nextTurn } from 'node:timers/promises';

// A source that has everything at hand would otherwise keep the event loop for as long as the consumer awaits nothing real.
const TURN_BYTES = 64 * 1024;

/**
 * The same bytes in pieces of exactly `pieceBytes` (the last one may be shorter), however they arrive. A piece is only
 * valid until the next one is asked for if the source reuses its chunks. Errors of the source pass through untouched.
 */
export async function* rechunk(chunks: AsyncIterable<Buffer>, pieceBytes: number): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let bytesThisTurn = 0;
  for await (const chunk of chunks) {
    let from = 0;
    while (heldBytes + chunk.length - from >= pieceBytes) {
      const part = chunk.subarray(from, from + pieceBytes - heldBytes);
      from += part.length;
      yield held.length === 0 ? part : Buffer.concat([...held, part], pieceBytes);
      held = [];
      heldBytes = 0;
      bytesThisTurn += pieceBytes;
      if (bytesThisTurn >= TURN_BYTES) {
        bytesThisTurn = 0;
        await nextTurn();
      }
    }
    if (from < chunk.length) {
      held.push(chunk.subarray(from));
      heldBytes += chunk.length - from;
    }
  }
  if (heldBytes > 0) {
    yield Buffer.concat(held, heldBytes);
  }
}
