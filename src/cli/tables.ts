import Table from 'cli-table3';
import { printable, type Terminal } from './terminal.js';

/** A column: its heading, and whether its cells are numbers, which are aligned to the right. */
export interface Column {
  heading: string;
  isNumeric?: boolean;
}

/** A cell: text of any origin, a number, or our own text with colours. */
export type Cell = string | number | { styled: string };

/** No lines, only space between columns: easy to read, and to cut with `awk`. */
const NO_LINES = Object.fromEntries(
  ['top', 'bottom', 'mid', 'left', 'right'].flatMap((side) => [
    [side, ''],
    [`${side}-mid`, ''],
    [`${side}-left`, ''],
    [`${side}-right`, ''],
  ]),
);

/** Renders rows under headings; every line is indented by two columns. */
export function renderTable(terminal: Terminal, columns: Column[], rows: Cell[][]): string {
  const table = new Table({
    head: columns.map(({ heading }) => terminal.style('dim', heading)),
    colAligns: columns.map(({ isNumeric }) => (isNumeric ? 'right' : 'left')),
    chars: { ...NO_LINES, middle: '   ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push(row.map((cell) => textOf(terminal, cell)));
  return table
    .toString()
    .split('\n')
    .map((line) => `  ${line.trimEnd()}`)
    .join('\n');
}

function textOf(terminal: Terminal, cell: Cell): string {
  if (typeof cell === 'number') return terminal.number(cell);
  return typeof cell === 'string' ? printable(cell) : cell.styled;
}
