import type { Findings } from './findings.js';
import type { Leftovers } from './invariants.js';

/** The result of a run. */
export interface Outcome {
  seed: number;
  minutes: number;
  backend: string;
  accepted: number;
  repeated: number;
  aborted: number;
  unanswered: number;
  jobs: Record<string, number>;
  faults: Record<string, number>;
  recoveries: Record<string, number[]>;
  idle: number;
  overtaken: number;
  stops: number[];
  failedStarts: number;
  reads: number;
  rowsCompared: number;
  /** Pulls that ended, and figures of companies that were compared with the truth. */
  pulls: number;
  balancesCompared: number;
  leftovers: Leftovers;
}

/** Prints the run for people, then as one line of JSON for programs. */
export function report(outcome: Outcome, findings: Findings): void {
  const times = Object.values(outcome.recoveries).flat();
  const lines: [string, string][] = [
    ['seed, minutes, backend', `${outcome.seed}, ${outcome.minutes}, ${outcome.backend}`],
    ['snapshots accepted', `${outcome.accepted} (${outcome.repeated} repeats, ${outcome.aborted} broken off)`],
    ['jobs', listed(outcome.jobs)],
    ['faults', listed(outcome.faults)],
    ['recovery', `${times.length} measured, ${spread(times)}`],
    ...Object.entries(outcome.recoveries).map(([kind, one]): [string, string] => [
      `  ${kind}`,
      `${one.length}, ${spread(one)}`,
    ]),
    ['not measured', `${outcome.idle} with nothing to do, ${outcome.overtaken} overtaken by the next fault`],
    ['stops on SIGTERM', `${outcome.stops.length}, ${spread(outcome.stops)}`],
    ['failed starts', String(outcome.failedStarts)],
    ['requests without an answer', String(outcome.unanswered)],
    ['torn or older reads', `${findings.count('torn read') + findings.count('older read')} of ${outcome.reads}`],
    ['lost', `${findings.count('lost')} of ${outcome.accepted}`],
    ['rows compared', String(outcome.rowsCompared)],
    ['pulls', `${outcome.pulls}, ${outcome.balancesCompared} balances compared`],
    ['for the cleaner', `${outcome.leftovers.uploads} half uploads, ${outcome.leftovers.stagingTables} staging tables`],
    ['findings', findings.isEmpty ? 'none' : ''],
    ...Object.entries(findings.all()).map(([kind, { count }]): [string, string] => [`  ${kind}`, String(count)]),
  ];
  for (const [name, value] of lines) console.log(`${name.padEnd(45)} ${value}`);
  const recovery = { measured: times.length, p50: percentile(times, 0.5), max: percentile(times, 1) };
  const { recoveries: _times, stops, ...rest } = outcome;
  const summary = { ...rest, recovery, slowestStopMs: percentile(stops, 1), findings: findings.all() };
  console.log(JSON.stringify(summary));
}

function listed(counts: Record<string, number>): string {
  return Object.entries(counts)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}

function spread(milliseconds: number[]): string {
  if (milliseconds.length === 0) return 'none';
  const seconds = (share: number) => `${((percentile(milliseconds, share) ?? 0) / 1000).toFixed(1)} s`;
  return `p50 ${seconds(0.5)}, max ${seconds(1)}`;
}

/** Null if there are no numbers. */
function percentile(numbers: number[], share: number): number | null {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
}
