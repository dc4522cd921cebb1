import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { bearer, makeKey } from '../access/keys.js';
import { aLine } from '../claims/biller.js';
import { aPatient, Sender } from '../http/sender.js';
import { IS_EXHAUSTIVE, oneIn, sample } from '../setup/exhaustive.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { HttpClient, violationOf } from './http-client.js';
import { cpuMs, isProportionate, literalOf, ODD_NUMBERS, ODD_TEXTS, type Text } from './odd-texts.js';
import { describedOperations, type Operation } from './operations.js';
import { type Attack, JSON_PLACES, OTHER_PLACES, type Place } from './places-in-bodies.js';
import { HEAD_PLACES, tooLongHeads } from './places-in-heads.js';

/** Each test takes two seconds or less, or a minute in a full run; a busy machine may need much longer. */
const BUSY_MS = 300_000;

/** At the first length even cubic time is over within seconds; at the second one quadratic time takes a minute. */
const [SHORT, LONG] = [3_000, 300_000];

/** The largest limits that the settings allow, so that as much as possible is read and not refused for its length. */
const LIMITS = {
  MAX_URL_BYTES: 256 * 1024,
  MAX_HEADER_BYTES: 256 * 1024,
  MAX_RECORD_BYTES: 16 * 1024 ** 2,
  MAX_CLAIM_BYTES: 16 * 1024 ** 2,
};

const TEXTS = fromAnyOn('odd texts', ODD_TEXTS);
const NUMBERS = fromAnyOn('odd numbers', ODD_NUMBERS);

let server: TestServer;
let client: HttpClient;
let operations: Operation[];

beforeAll(async () => {
  server = await startTestServer({
    AUTH: 'keys',
    TRUST_PROXY: 1,
    WRONG_KEYS_PER_MINUTE: 0,
    TOP_PROVIDERS_PER_MINUTE: 1_000_000,
    WEBHOOK_TARGETS: 'any',
    ...LIMITS,
  });
  client = new HttpClient(server);
  Object.assign(server.headers, bearer(await makeKey(server)));
  const from = new Sender(server, 'default');
  const job = await from.mirror('/patients', [aPatient()]);
  const webhook = await idOf(from.post('/webhooks', { url: 'http://127.0.0.1:9/', events: ['job.failed'] }));
  const claim = await idOf(from.post('/claims', [aLine()]));
  operations = await describedOperations(server, { job: job.id, webhook, claim });
});

afterAll(async () => {
  client.close();
  await server.close();
});

afterEach(async () => {
  expect(await client.send({ method: 'GET', path: '/health' })).toMatchObject({ status: 200 });
});

describe('requests are answered in time in proportion to the length of', () => {
  it.each(oneIn(2, [...JSON_PLACES.map(inQuotes), ...OTHER_PLACES, ...HEAD_PLACES]))(
    'texts in $where',
    (place) => expectProportionateRequests(place, TEXTS),
    BUSY_MS,
  );

  it.each(oneIn(2, JSON_PLACES.map(asLiterals)))(
    'numbers in $where',
    (place) => expectProportionateRequests(place, NUMBERS),
    BUSY_MS,
  );

  it(
    'texts that are too long for addresses and headers',
    () =>
      expectProportionateRequests({ where: 'heads', attacks: tooLongHeads }, TEXTS, { lengths: [LONG], send: refused }),
    BUSY_MS,
  );
});

function inQuotes(place: Place): Place {
  return { ...place, attacks: (next, operations) => place.attacks(() => JSON.stringify(next()), operations) };
}

function asLiterals(place: Place): Place {
  return { ...place, attacks: (next, operations) => place.attacks(() => literalOf(next()), operations) };
}

/**
 * Sends odd texts to all spots of a place, and as many plain ones. Fails if they take longer than their length explains.
 * The kinds of texts are dealt out in turn: in a full run each spot gets each kind, otherwise one.
 */
async function expectProportionateRequests(
  { where, attacks, fitting }: Place,
  kinds: readonly Text[],
  { lengths = [SHORT, ...(fitting === undefined ? [] : [fitting]), LONG], send = answered } = {},
): Promise<void> {
  for (const length of lengths) {
    const plain = attacks(() => 'a'.repeat(length), operations);
    const plainMs = await cpuMs(() => sendAll(plain, send));
    for (let round = 0; round < (IS_EXHAUSTIVE ? kinds.length : 1); round += 1) {
      const dealt: string[] = [];
      const odd = attacks(() => {
        const [kind, make] = kinds[(round + dealt.length) % kinds.length] as Text;
        dealt.push(kind);
        return make(length);
      }, operations);
      let checkedJobs = 0;
      const oddMs = await cpuMs(async () => (checkedJobs = await sendAll(odd, send)));
      if (length === SHORT && odd.some(({ job }) => job)) expect(checkedJobs).toBeGreaterThan(0);
      const slow = isProportionate(oddMs, plainMs)
        ? []
        : [`${where}: ${oddMs} ms, plain texts ${plainMs} ms`, ...dealt];
      expect({ length, slow }).toEqual({ length, slow: [] });
    }
  }
}

/** The same kinds, from another one on in each run. */
function fromAnyOn(what: string, kinds: readonly Text[]): Text[] {
  const names = kinds.map(([kind]) => kind);
  const first = names.indexOf(sample(`the first of the ${what}`, names, 1)[0] ?? '');
  return [...kinds.slice(first), ...kinds.slice(0, first)];
}

/** @returns how many jobs were checked */
async function sendAll(attacks: Attack[], send: (attack: Attack) => Promise<boolean>): Promise<number> {
  expect(attacks.length).toBeGreaterThan(0);
  const areChecked = await Promise.all(attacks.map(send));
  return areChecked.filter(Boolean).length;
}

/** Sends a request and checks the answer. @returns whether it is that of a job, which was checked too */
async function answered(attack: Attack): Promise<boolean> {
  const answer = await client.send({ ...attack, headers: { ...server.headers, ...attack.headers } });
  // The dashboard answers unknown paths with JSON of its own.
  const isOurs = !attack.path.startsWith('/admin') || answer.status >= 500;
  expect(isOurs && violationOf(answer)).toBeFalsy();
  // A job that has not ended by now is found by the time that it took.
  if (!attack.job || answer.status === 202) return false;
  const body = JSON.parse(answer.text);
  if (attack.refusal && answer.status === 400) {
    expect(body).toMatchObject({ code: attack.refusal });
    return false;
  }
  expect({ status: answer.status, body }).toMatchObject({ status: 200, body: attack.job });
  return true;
}

/** Sends a request and expects that it is refused, or that the connection is closed while the rest is on its way. */
async function refused(attack: Attack): Promise<boolean> {
  const answer = await client.send(attack).catch(({ code }: NodeJS.ErrnoException) => ({ status: code }));
  expect([431, 'ECONNRESET', 'EPIPE']).toContain(answer.status);
  return false;
}

async function idOf(answer: Promise<Response>): Promise<string> {
  return ((await (await answer).json()) as { id: string }).id;
}
