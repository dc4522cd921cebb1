import { Cursors } from '../../src/http/cursors.js';
import type { TestServer } from './test-server.js';

/** SHA-256 is 32 bytes long. */
const SIGNATURE_BYTES = 32;

/** What a cursor holds: the list and order that it belongs to, and the key of a row. */
export function partsOf(cursor: string): string[] {
  return JSON.parse(Buffer.from(cursor, 'base64url').subarray(SIGNATURE_BYTES).toString()) as string[];
}

/** A cursor that the server has signed, for any list and with any key. */
export function signed(server: TestServer, scope: string, ...key: string[]): string {
  return server.app.get(Cursors).make(scope, key);
}

/** A cursor that anybody could make, as all were before they were signed. */
export function unsigned(...parts: unknown[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}
