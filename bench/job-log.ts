import { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { PhaseSeconds } from '../src/sync/model/job-phases.js';

/** How long after a job's end its line may come. */
const LINE_WITHIN_MS = 5_000;

/** Reads the log of a server for the seconds of each job's phases. Warnings and errors go on to our own output. */
export class JobLog extends Writable {
  private text = '';
  private readonly phases = new Map<string, PhaseSeconds>();

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    const lines = (this.text + bytes.toString()).split('\n');
    this.text = lines.pop() ?? '';
    for (const line of lines) this.take(line);
    done();
  }

  /** @throws Error if the log does not tell */
  async phasesOf(jobId: string): Promise<PhaseSeconds> {
    for (const deadline = Date.now() + LINE_WITHIN_MS; Date.now() < deadline; await delay(10)) {
      const phases = this.phases.get(jobId);
      if (phases) return phases;
    }
    throw new Error('the log does not tell how long the phases of a job took');
  }

  private take(line: string): void {
    if (!line.startsWith('{')) return;
    const entry = JSON.parse(line) as { level: number; job?: string; phases?: PhaseSeconds };
    if (entry.job && entry.phases) this.phases.set(entry.job, entry.phases);
    if (entry.level >= 40) console.error(line);
  }
}
