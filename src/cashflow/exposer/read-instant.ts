const MAX_CHARACTERS = 40;

const INSTANT =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?(?:Z|([+ -])(\d{2}):(\d{2}))?)?$/;

const MINUTE_MS = 60_000;

/**
 * Reads an instant, to the microsecond, in the form in which the data have it: `2018-01-31T09:30:00.123456Z`. A date alone
 * is its beginning, and a time without an offset is UTC. A blank before an offset was a plus sign that was not escaped.
 * @returns null if it is none
 */
export function readInstant(text: string): string | null {
  if (text.length > MAX_CHARACTERS) return null;
  const match = INSTANT.exec(text);
  if (!match) return null;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', sign, hours = '0', minutes = '0'] =
    match;
  const numbers = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [y, m, d, h, min, s] = numbers;
  const local = Date.UTC(y, m - 1, d, h, min, s);
  const isReal = new Date(Date.UTC(y, m - 1, d)).getUTCDate() === d && h < 24 && min < 60 && s < 60;
  if (!isReal || m > 12 || y < 1000) return null;
  const shift = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS * (sign === '-' ? -1 : 1);
  return `${new Date(local - shift).toISOString().slice(0, 19)}.${fraction.padEnd(6, '0')}Z`;
}
