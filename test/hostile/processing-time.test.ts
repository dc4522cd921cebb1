import { describe, expect, it } from '@jest/globals';
import { validate } from 'class-validator';
import { ClaimCheck } from '../../src/claims/claim-check.js';
import { rulesOf } from '../../src/claims/claim-rules.js';
import { readJsonClaim } from '../../src/claims/sent-claim.js';
import { endOfDay, nameOf, scopesOf, sourceOf } from '../../src/cli/key-options.js';
import { patients } from '../../src/patients/patients.resource.js';
import { payments } from '../../src/payments/payments.resource.js';
import { loadConfig, settings } from '../../src/settings/config.js';
import { parseExact } from '../../src/values/exact-json.js';
import { BodyCheck } from '../../src/sync/intake/body-check.js';
import type { IncomingSnapshot } from '../../src/sync/intake/incoming-snapshot.js';
import { RecordCheck } from '../../src/sync/read/record-check.js';
import { CreateWebhook } from '../../src/webhooks/webhook.dto.js';
import { aLine } from '../claims/biller.js';
import { cpuMs, expectProportionateTime, isProportionate, literalOf, ODD_NUMBERS } from './odd-texts.js';

/** Each check takes a second or less; a busy machine may need ten times as long. */
const BUSY_MS = 120_000;

const RULES = { today: '2026-11-30', futureBirthDates: 'reject' } as const;

/** Reads a record with the piece of JSON in every field. */
function checkRecord(resource: typeof patients, literal: string): void {
  const check = new RecordCheck(resource, RULES);
  const value = parseExact(literal);
  for (const name of Object.keys(resource.example)) {
    expect(check.check({ ...resource.example, [name]: value }).valid).toBe(false);
  }
}

/** Reads a claim with the piece of JSON in every field of its line. */
function checkClaim(literal: string): void {
  const fields = [...Object.keys(aLine()), 'external_claim_id'];
  const line = `{${fields.map((field) => `"${field}":${literal}`).join(',')}}`;
  // Texts of brackets are taken for more lists and objects than a claim may have.
  expect(() => ClaimCheck.check(readJsonClaim(line, 10), rulesOf('strict'))).toThrow(/there are|no more lists/);
}

/** Does something that may refuse what it gets. What it says is for other tests. */
async function attempt(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch {
    // Most texts are refused.
  }
}

describe('reading takes time in proportion to the length of', () => {
  it(
    'texts in records',
    () =>
      expectProportionateTime('records', (text) => {
        checkRecord(patients, JSON.stringify(text));
        checkRecord(payments, JSON.stringify(text));
      }),
    BUSY_MS,
  );

  it(
    'numbers in payments',
    () =>
      expectProportionateTime('payments', (text) => attempt(() => checkRecord(payments, literalOf(text))), {
        texts: ODD_NUMBERS,
      }),
    BUSY_MS,
  );

  it('texts in claims', () => expectProportionateTime('claims', (text) => checkClaim(JSON.stringify(text))), BUSY_MS);

  it(
    'numbers in claims',
    () => expectProportionateTime('claims', (text) => checkClaim(literalOf(text)), { texts: ODD_NUMBERS }),
    BUSY_MS,
  );

  it.each(Object.keys(settings.shape))(
    'the setting %s',
    (name) => expectProportionateTime(name, (text) => attempt(() => loadConfig({ [name]: text }))),
    BUSY_MS,
  );

  it.each<[string, (text: string) => unknown]>([
    ['the name of a key', nameOf],
    ['the name of a source', sourceOf],
    ['scopes', scopesOf],
    ['a date', endOfDay],
  ])(
    '%s on the command line',
    (place, read) => expectProportionateTime(place, (text) => attempt(() => read(text))),
    BUSY_MS,
  );

  it('the events of a webhook', async () => {
    const check = async (events: string[]) => {
      const times = 20;
      const order = Object.assign(new CreateWebhook(), { url: 'https://receiver.example/', events });
      for (let n = 0; n < times; n += 1) expect(await validate(order)).toHaveLength(1);
    };

    const plainMs = await cpuMs(() => check(['a'.repeat(60_000)]));
    const oddMs = await cpuMs(() => check(Array.from({ length: 10_500 }, (_, n) => n.toString(36))));

    expect({ oddMs, plainMs, isProportionate: isProportionate(oddMs, plainMs) }).toMatchObject({
      isProportionate: true,
    });
  });

  it('white space that arrives byte by byte before a snapshot', async () => {
    const incoming = { format: 'json', contentEncoding: null, contentLength: null, digest: null } as IncomingSnapshot;
    const pass = async (first: string) => {
      const check = new BodyCheck(incoming, 1024 ** 2);
      for (const text of [first, ...Array.from({ length: 60_000 }, () => ' ')]) await check.pass(Buffer.from(text));
      check.close();
    };

    const plainMs = await cpuMs(() => pass('['));
    const oddMs = await cpuMs(() => pass(' '));

    expect({ oddMs, plainMs, isProportionate: isProportionate(oddMs, plainMs) }).toMatchObject({
      isProportionate: true,
    });
  });
});
