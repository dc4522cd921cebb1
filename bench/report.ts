import { type Round, type StepName, STEPS } from './round.js';

const MIB = 1024 ** 2;

const TARGETS: Record<StepName, string> = {
  patients: '',
  'first load': '≥ 0.7 ×',
  'other order': '≥ 3.5 ×',
  'same bytes': '≥ 20 ×',
  'delta of 2 %': '≥ 3 ×',
};

/** Prints tables for `bench/README.md`: the figures, then the phases of each step; then all of it as one line of JSON. */
export function report(rounds: Round[], setting: Record<string, unknown>): void {
  console.log();
  print(
    ['what', 'median', '× RAW', 'target', 'rounds'],
    [rawRow(rounds), ...STEPS.map(stepRow(rounds)), ...others(rounds)],
  );
  console.log('\nSeconds by phase, medians of the rounds:\n');
  print(['phase', ...STEPS.map(({ name }) => name)], phaseRows(rounds));
  console.log(`\n${JSON.stringify({ ...setting, rounds })}`);
}

function rawRow(rounds: Round[]): string[] {
  const seconds = rounds.map(({ raw }) => raw);
  return ['RAW', `${median(seconds).toFixed(1)} s`, '1', '', list(seconds, 1)];
}

/** The median of the rounds' ratios: each round's RAW was measured beside it. */
function stepRow(rounds: Round[]) {
  return ({ name }: { name: StepName }): string[] => {
    const seconds = rounds.map(({ steps }) => steps[name].total);
    const ratios = rounds.map(({ raw, steps }) => raw / steps[name].total);
    const speed = name === 'patients' ? '' : `**${median(ratios).toFixed(2)}**`;
    return [name, `${median(seconds).toFixed(2)} s`, speed, TARGETS[name], list(seconds, 2)];
  };
}

function others(rounds: Round[]): string[][] {
  const ack = rounds.map(({ steps }) => steps['first load'].ack);
  const staged = rounds.map(({ steps }) => steps['other order'].received / (steps['other order'].phases['stage'] ?? 0));
  const wal = rounds.map(({ steps }) => steps['other order'].walBytes / MIB);
  const memory = rounds.map(({ peakMemoryBytes }) => peakMemoryBytes / MIB);
  const p95 = (pages: Round['pages'][]) => pages.map((times) => times.p95);
  const atTheEnd = rounds.map(({ pages }) => pages);
  const rest = `p50 ${median(atTheEnd.map(({ p50 }) => p50)).toFixed(1)}, p99 ${median(atTheEnd.map(({ p99 }) => p99)).toFixed(1)}`;
  return [
    ['upload alone, to the 202', `${median(ack).toFixed(2)} s`, '', '', list(ack, 2)],
    ['read, check, stage', `${Math.round(median(staged)).toLocaleString('en')} rows/s`, '', '', list(staged, 0)],
    ['WAL when nothing changed', `${median(wal).toFixed(2)} MiB`, '', '< 1 MB', list(wal, 2)],
    ['peak memory of the server', `${Math.max(...memory).toFixed(0)} MiB`, '', '≤ 350 MB', list(memory, 0)],
    [
      `page of patients by total, p95 (${rest})`,
      `${median(p95(atTheEnd)).toFixed(1)} ms`,
      '',
      '≤ 25 ms',
      list(p95(atTheEnd), 1),
    ],
    ...STEPS.flatMap(({ name }) => {
      const pages = rounds.map(({ steps }) => steps[name].pages).filter((times) => times !== null);
      return pages.length === 0
        ? []
        : [[`the same after ${name}`, `${median(p95(pages)).toFixed(1)} ms`, '', '', list(p95(pages), 1)]];
    }),
  ];
}

function phaseRows(rounds: Round[]): string[][] {
  const names = new Set(rounds.flatMap(({ steps }) => STEPS.flatMap(({ name }) => Object.keys(steps[name].phases))));
  // In the order of the first load, which comes to all of them.
  const first = Object.keys(rounds[0]?.steps['first load'].phases ?? {});
  const ordered = [...new Set([...first, ...names])];
  return ordered.map((phase) => [
    phase,
    ...STEPS.map(({ name }) => {
      const seconds = rounds.map(({ steps }) => steps[name].phases[phase]).filter((value) => value !== undefined);
      return seconds.length === 0 ? '' : median(seconds).toFixed(2);
    }),
  ]);
}

/** Prints a table of Markdown. */
export function print(head: string[], rows: string[][]): void {
  for (const row of [head, head.map(() => '---'), ...rows]) console.log(`| ${row.join(' | ')} |`);
}

export function list(numbers: number[], digits: number): string {
  return numbers.map((one) => one.toFixed(digits)).join(' ');
}

export function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}
