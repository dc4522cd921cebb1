import { ROWS_A_DAY } from './data-entries.js';
import type { Measured } from './measured.js';
import { list, median, print } from './report.js';

const TARGET = 1.5;

/** Prints tables for `bench/README.md`: the medians and their ratio, then the phases; then all of it as one line of JSON. */
export function reportWindows(
  found: Record<'few' | 'many', Measured[]>,
  setting: { rows: number } & Record<string, unknown>,
): void {
  const totals = (measured: Measured[]) => measured.map(({ total }) => total);
  const row = (beside: number, measured: Measured[], ratio: string) => [
    `beside ${beside.toLocaleString('en')} live rows`,
    `${(median(totals(measured)) * 1000).toFixed(0)} ms`,
    ratio,
    list(
      totals(measured).map((seconds) => seconds * 1000),
      0,
    ),
  ];
  const ratio = median(totals(found.many)) / median(totals(found.few));
  console.log();
  print(
    [`a window of ${ROWS_A_DAY.toLocaleString('en')} rows, half of them changed`, 'median', 'ratio', 'rounds'],
    [row(ROWS_A_DAY, found.few, '1'), row(setting.rows, found.many, `**${ratio.toFixed(2)}** (target ≤ ${TARGET})`)],
  );
  console.log('\nMilliseconds by phase, medians of the rounds:\n');
  const phases = new Set([...found.few, ...found.many].flatMap((measured) => Object.keys(measured.phases)));
  const of = (measured: Measured[], phase: string) =>
    (median(measured.map((each) => each.phases[phase] ?? 0)) * 1000).toFixed(0);
  print(
    ['phase', 'beside few', 'beside many'],
    [...phases].map((phase) => [phase, of(found.few, phase), of(found.many, phase)]),
  );
  console.log(`\n${JSON.stringify({ ...setting, ratio, ...found })}`);
}
