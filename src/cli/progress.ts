import { Presets, SingleBar } from 'cli-progress';
import type { Job } from './jobs-api.js';
import { formatBytes, type Terminal } from './terminal.js';

/** How often a line may be printed where there is no terminal. */
const LINE_PERIOD_MS = 1_000;

const BAR_COLUMNS = 28;

const PHASES: Record<string, string> = {
  queued: 'Waiting for its turn',
  staging: 'Reading',
  reconciling: 'Reconciling',
  awaiting_approval: 'Waiting for approval',
};

/** Shows the progress of an upload and of its job, or of other work: a bar on a terminal, a line now and then elsewhere. */
export class Progress {
  private bar: SingleBar | undefined;
  private lastLine = '';
  private lastLineAt = 0;

  constructor(
    private readonly terminal: Terminal,
    private readonly isSilent = false,
  ) {}

  uploaded(bytes: number, total: number): void {
    const percent = total === 0 ? 100 : Math.min(100, Math.floor((bytes / total) * 100));
    this.show('Uploading', percent, `${formatBytes(bytes)} of ${formatBytes(total)}`);
  }

  sighted(job: Job): void {
    const { processed, percent } = job.progress;
    const records = `${this.terminal.number(processed)} records`;
    this.show(reasonForWaiting(job) ?? PHASES[job.status] ?? job.status, percent, processed > 0 ? records : '');
  }

  /** Shows how far any other work is. */
  show(phase: string, percent: number, remark: string): void {
    if (this.isSilent) return;
    if (this.terminal.isInteractive) this.draw(phase, percent, remark);
    else if (percent < 100) this.log(phase, percent, remark);
  }

  /** Removes the bar; further output is written in its place. */
  stop(): void {
    this.bar?.stop();
    this.bar = undefined;
  }

  private draw(phase: string, percent: number, remark: string): void {
    const payload = { phase: phase.padEnd(20), remark };
    if (this.bar) {
      this.bar.update(percent, payload);
      return;
    }
    const format = `  {phase} ${this.terminal.style('cyan', '{bar}')} {percentage}%  ${this.terminal.style('dim', '{remark}')}`;
    this.bar = new SingleBar(
      { stream: this.terminal.output, format, barsize: BAR_COLUMNS, hideCursor: true, clearOnComplete: true },
      Presets.shades_classic,
    );
    // After Ctrl-C the cursor must be visible again.
    process.once('exit', () => this.stop());
    this.bar.start(100, percent, payload);
  }

  /** At most one line a second, and none at 100 %, which the next output shows. */
  private log(phase: string, percent: number, remark: string): void {
    const line = `${phase} ${percent}%${remark ? `, ${remark}` : ''}`;
    if (line === this.lastLine || Date.now() - this.lastLineAt < LINE_PERIOD_MS) return;
    this.terminal.line(line);
    this.lastLine = line;
    this.lastLineAt = Date.now();
  }
}

/** Why a job waits; null if it only waits for its turn or a worker. */
function reasonForWaiting({ waiting }: Job): string | null {
  if (waiting?.behind?.status === 'awaiting_approval') {
    return `Waiting for job ${waiting.behind.id}, which waits for approval (approve or reject it)`;
  }
  return waiting?.retry ? `Trying again: ${waiting.retry.error}` : null;
}
