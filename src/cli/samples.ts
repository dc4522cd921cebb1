import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { SnapshotFile } from './snapshot-file.js';

/** Beside both `src` and `dist`. */
const FOLDER = new URL('../../samples/', import.meta.url);

/** The snapshots that the demo sends. */
export const SAMPLES = [
  'patients-day1.json',
  'payments-day1.json',
  'patients-day2.json',
  'payments-day2.json',
  'appointments.json',
  'appointments-week.json',
];

/** The folder of the demo's own resource. */
export const SAMPLE_RESOURCES = fileURLToPath(new URL('resources', FOLDER));

export function readSample(name: string): Promise<string> {
  return readFile(new URL(name, FOLDER), 'utf8');
}

/** A text in the form of a snapshot file. */
export function inMemory(text: string, contentType = 'application/json'): SnapshotFile {
  const bytes = Buffer.from(text);
  async function* read(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 64 * 1024) yield bytes.subarray(at, at + 64 * 1024);
  }
  return { name: 'snapshot', bytes: bytes.length, headers: { 'Content-Type': contentType }, read };
}
