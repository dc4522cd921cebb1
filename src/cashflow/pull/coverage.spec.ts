import { describe, expect, it } from '@jest/globals';
import { gapsOf, isCovered, overlaps, withSpan } from './coverage.js';
import { BEGINNING, type Position } from './pull-row.js';

const day = (number: number) => `2018-01-${String(number).padStart(2, '0')}T00:00:00.000000`;
const span = (from: number, to: number) => ({ from: day(from), to: day(to) });
const position = (parts: Partial<Position>): Position => ({ ...BEGINNING, ...parts });
const gap = (resource: string, from: number, to: number) => ({
  resource,
  from: `${day(from).slice(0, 10)}T00:00:00.000Z`,
  to: `${day(to).slice(0, 10)}T00:00:00.000Z`,
});

describe('spans', () => {
  it('become one where they touch or overlap', () => {
    let spans = withSpan([], span(6, 11));
    spans = withSpan(spans, span(16, 21));
    expect(spans).toEqual([span(6, 11), span(16, 21)]);

    expect(withSpan(spans, span(11, 16))).toEqual([span(6, 21)]);
    expect(withSpan(spans, span(1, 4))).toEqual([span(1, 4), ...spans]);
    expect(withSpan(spans, span(8, 18))).toEqual([span(6, 21)]);
    expect(withSpan(spans, span(7, 8))).toEqual(spans);
    expect(withSpan(spans, span(21, 21))).toEqual(spans);
  });

  it('cover others wholly or in part', () => {
    const spans = [span(6, 11), span(16, 21)];

    expect([span(6, 11), span(7, 8), span(6, 16), span(11, 16)].map((other) => isCovered(spans, other))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([span(6, 11), span(10, 12), span(1, 6), span(11, 16)].map((other) => overlaps(spans, other))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe('gaps', () => {
  it('lie between windows', () => {
    const sepa = position({ covered: [span(1, 6), span(11, 16), span(21, 26)] });
    const swift = position({ covered: [span(1, 31)] });

    expect(gapsOf({ sepa, swift })).toEqual([gap('sepa', 6, 11), gap('sepa', 16, 21)]);
    expect(gapsOf({})).toEqual([]);
    expect(gapsOf({ sepa: position({}) })).toEqual([]);
  });

  it('are where a part of a lost window was seen', () => {
    expect(gapsOf({ swift: position({ covered: [span(6, 11)], sighted: [span(1, 6), span(6, 11)] }) })).toEqual([
      gap('swift', 1, 6),
    ]);
    expect(gapsOf({ swift: position({ sighted: [span(1, 6)] }) })).toEqual([gap('swift', 1, 6)]);
  });

  it('are at an end only if answers were lost there', () => {
    const swift = position({ covered: [span(1, 26)] });
    const covered = [span(6, 21)];

    expect(gapsOf({ sepa: position({ covered }), swift })).toEqual([]);
    expect(gapsOf({ sepa: position({ covered, mayLack: { first: true, last: true } }), swift })).toEqual([
      gap('sepa', 1, 6),
      gap('sepa', 21, 26),
    ]);
  });
});
