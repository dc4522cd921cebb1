import Sequencer from '@jest/test-sequencer';

/** The files that took longest, longest first, as the end of a run prints them: begun last, each would run on alone. */
const LONGEST = [
  'every-statement',
  'contract/mirrored-resources',
  'faults/deploy',
  'settlement/killed-processes',
  'webhooks/retries',
  'faults/steps',
  'hostile/idle-senders',
  'http/upload',
  'http/retention',
  'faults/api-dies',
  'hostile/bombs',
  'contract/model',
];

/** Jest starts large files first, and on a fresh clone knows nothing else of how long they take. */
export default class LongestFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const place = LONGEST.findIndex((name) => path.includes(name));
      return place === -1 ? LONGEST.length : place;
    };
    // oxlint-disable-next-line unicorn/no-array-sort -- a method of Jest's, not an array's
    return super.sort(tests).toSorted((one, other) => rank(one) - rank(other));
  }
}
