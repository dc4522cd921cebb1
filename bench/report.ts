import Table from 'cli-table3';

/** Seconds of each round, unless the name says otherwise. */
export interface Figures {
  raw: number[];
  first: number[];
  /** Until the 202 of the first load. */
  ack: number[];
  other: number[];
  same: number[];
  delta: number[];
  /** Rows per second that were read, checked and staged. */
  staging: number[];
  /** Bytes of WAL of the job that changed nothing, after its bytes were kept. */
  wal: number[];
  /** Bytes. */
  memory: number;
  /** Milliseconds. */
  query: { p50: number; p95: number; p99: number } | null;
}

const MIB = 1024 ** 2;

/** Prints the table, then the same as one line of JSON. */
export function report(
  figures: Figures,
  setting: { rows: number; patients: number; rounds: number; bytes: number },
): void {
  const raw = median(figures.raw);
  const timed = (name: string, seconds: number[], target: string) => {
    const value = median(seconds);
    return [
      name,
      `${value.toFixed(2)} s`,
      `${(raw / value).toFixed(2)} x RAW`,
      target,
      seconds.map((one) => one.toFixed(2)).join(' '),
    ];
  };
  const table = new Table({ head: ['what', 'median', 'speed', 'target', 'rounds'], style: { head: [], border: [] } });
  table.push(
    timed('RAW: COPY into an identical table', figures.raw, ''),
    timed('first load', figures.first, '>= 0.7 x'),
    timed('other order', figures.other, '>= 3.5 x'),
    timed('same bytes', figures.same, '>= 20 x'),
    timed('delta of 2 %', figures.delta, '>= 3 x'),
    timed('upload alone, to the 202', figures.ack, ''),
    [
      'read + check + stage',
      `${Math.round(median(figures.staging)).toLocaleString('en')} rows/s`,
      '',
      '',
      figures.staging.map(Math.round).join(' '),
    ],
    ['WAL when nothing changed', `${(median(figures.wal) / MIB).toFixed(2)} MiB`, '', '< 1 MB', ''],
    ['peak memory of the server', `${Math.round(figures.memory / MIB)} MiB`, '', '<= 350 MB', ''],
    [
      'GET /patients by total, p50',
      `${figures.query?.p50.toFixed(1)} ms`,
      '',
      '',
      `p99 ${figures.query?.p99.toFixed(1)}`,
    ],
    ['GET /patients by total, p95', `${figures.query?.p95.toFixed(1)} ms`, '', '<= 15 ms', ''],
  );
  console.log(table.toString());
  console.log(JSON.stringify({ ...setting, ...figures }));
}

function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
