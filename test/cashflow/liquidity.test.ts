import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';
import { Receiver } from '../webhooks/receiver.js';
import { WebhookOwner } from '../webhooks/webhook-owner.js';

const [OWN, OWN_TOO, OTHER, THEIRS] = [
  'DE89370400440532013000',
  'DE02120300000000202051',
  'FR7630006000011234567890189',
  'NL91ABNA0417164300',
];
const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);

let server: TestServer;
let receiver: Receiver;
let paths = 0;

beforeAll(async () => {
  receiver = await Receiver.start();
  server = await startTestServer({ WEBHOOK_TARGETS: 'any', MAX_CONCURRENT_UPLOADS: 40 });
});

afterAll(async () => {
  await server.close();
  await receiver.close();
});

const RATES = [
  { currency: 'EUR', eurRate: '1', usdRate: '1.25' },
  { currency: 'USD', eurRate: '0.8', usdRate: '1' },
];

/** A source with a company of two accounts, and one that is told what becomes of it. */
class Treasurer extends WebhookOwner {
  readonly path = `/${++paths}`;
  private count = 0;

  static async create(): Promise<Treasurer> {
    const treasurer = new Treasurer(server);
    await treasurer.done('/exchange-rates', RATES);
    await treasurer.companies([OWN, OWN_TOO]);
    await treasurer.register(receiver.url(treasurer.path), { events: ['liquidity.breached', 'liquidity.recovered'] });
    return treasurer;
  }

  async companies(ibans: string[], id = '1'): Promise<void> {
    await this.done('/companies?deletes=apply', [{ externalId: id, name: 'Tyrell', ibans }]);
  }

  /** Something that the company gets, or pays if it is negative. */
  entry(timestamp: string, amount: number, fields: Record<string, unknown> = {}): Record<string, unknown> {
    const [payerIban, beneficiaryIban] = amount < 0 ? [OWN, OTHER] : [OTHER, OWN];
    const transactionId = String(++this.count);
    return {
      transactionId,
      payerIban,
      beneficiaryIban,
      timestamp,
      amount: String(Math.abs(amount)),
      currency: 'EUR',
      ...fields,
    };
  }

  async done(path: string, records: unknown[]): Promise<void> {
    const job = await this.mirror(path, records);
    if (job.status !== 'completed' || job.counts.rejected > 0) throw new Error(JSON.stringify(job));
  }

  /** Replaces a month. */
  async month(kind: 'sepa' | 'swift', month: number, records: unknown[]): Promise<void> {
    const day = (number: number) => `2020-${String(number).padStart(2, '0')}-01`;
    await this.done(`/${kind}?mode=window&deletes=apply&from=${day(month)}&to=${day(month + 1)}`, records);
  }

  rule(fields: Record<string, unknown>, id = '1'): Promise<any> {
    const usual = { kind: 'balance_below', threshold: '100', currency: 'EUR' };
    return this.ok('POST', `/companies/${id}/liquidity-rules`, { ...usual, ...fields });
  }

  async state({ id, companyId }: any): Promise<any> {
    return this.ok('GET', `/companies/${companyId}/liquidity-rules/${id}`);
  }

  /** What was told so far, once so much was. */
  async told(count: number): Promise<any[]> {
    const requests = await receiver.waitFor(this.path, count);
    return requests.map(({ body }) => body);
  }

  /** What waits to be told, or was, in the order in which it happened. */
  async events(): Promise<[type: string, data: any][]> {
    const rows = await server.query(
      `select d.payload from webhook_delivery d join source s on s.id = d.source_id where s.name = $1 order by d.created, d.id`,
      [this.source],
    );
    return rows.map(({ payload }) => JSON.parse(payload)).map(({ type, data }) => [type, data]);
  }
}

describe('a rule about a balance', () => {
  it('tells when it falls below its line and when it is back, with the transaction that did it', async () => {
    const treasurer = await Treasurer.create();
    await treasurer.month('sepa', 1, [treasurer.entry('2020-01-05T10:00:00Z', 500)]);
    const rule = await treasurer.rule({});
    expect(rule).toEqual({
      id: UUID,
      companyId: '1',
      kind: 'balance_below',
      threshold: '100.00',
      currency: 'EUR',
      iban: null,
      days: null,
      breached: false,
      since: '2020-01-05T10:00:00.000Z',
      balance: '500.00',
      created: expect.any(String),
    });

    await treasurer.month('swift', 2, [
      treasurer.entry('2020-02-03T00:00:00Z', -300),
      treasurer.entry('2020-02-04T00:00:00.123456Z', -150.25),
      treasurer.entry('2020-02-05T00:00:00Z', -10),
    ]);
    await treasurer.month('sepa', 3, [treasurer.entry('2020-03-01T00:00:00Z', 1_000)]);

    const data = {
      ruleId: rule.id,
      companyId: '1',
      kind: 'balance_below',
      threshold: '100.00',
      currency: 'EUR',
      iban: null,
      source: treasurer.source,
      link: `/companies/1/liquidity-rules/${rule.id}`,
    };
    expect(await treasurer.told(2)).toEqual([
      {
        type: 'liquidity.breached',
        timestamp: expect.any(String),
        data: { ...data, at: '2020-02-04T00:00:00.123456Z', balance: '49.75' },
      },
      {
        type: 'liquidity.recovered',
        timestamp: expect.any(String),
        data: { ...data, at: '2020-03-01T00:00:00.000Z', balance: '1039.75' },
      },
    ]);
    expect(await treasurer.state(rule)).toMatchObject({ breached: false, balance: '1039.75' });
    const { balance } = await treasurer.get('/companies/1/balance?at=2020-02-04T00:00:00.123456Z');
    expect(balance).toBe('49.75');
  });

  it('that is made below its line tells at once, and one that never was above it since now', async () => {
    const treasurer = await Treasurer.create();
    await treasurer.month('sepa', 1, [
      treasurer.entry('2020-01-05T10:00:00Z', 500),
      treasurer.entry('2020-01-06T10:00:00Z', -450),
    ]);
    const [fell, never] = [await treasurer.rule({}), await treasurer.rule({ threshold: 1000 })];

    expect(fell).toMatchObject({ breached: true, since: '2020-01-06T10:00:00.000Z', balance: '50.00' });
    expect(never).toMatchObject({ breached: true, balance: '50.00', threshold: '1000.00' });
    expect(Math.abs(Date.parse(never.since) - Date.now())).toBeLessThan(10_000);
    expect((await treasurer.events()).map(([type, { ruleId }]) => [type, ruleId])).toEqual([
      ['liquidity.breached', fell.id],
      ['liquidity.breached', never.id],
    ]);
  });

  it('is of the rows that count, of one account if it says so, in its currency', async () => {
    const treasurer = await Treasurer.create();
    const rules = {
      all: await treasurer.rule({ threshold: '-1' }),
      one: await treasurer.rule({ threshold: '-1', iban: OWN }),
      other: await treasurer.rule({ threshold: 40, currency: 'USD', iban: OWN_TOO }),
    };
    await treasurer.month('swift', 1, [
      treasurer.entry('2020-01-05T10:00:00Z', -50, { beneficiaryIban: OWN_TOO }),
      treasurer.entry('2020-01-06T10:00:00Z', -500, { currency: null }),
      treasurer.entry('2020-01-07T10:00:00Z', -1, { currency: 'USD' }),
    ]);

    expect(await treasurer.state(rules.all)).toMatchObject({ breached: false });
    expect(await treasurer.state(rules.one)).toMatchObject({ breached: true, since: '2020-01-05T10:00:00.000Z' });
    expect(await treasurer.state(rules.other)).toMatchObject({ breached: false, balance: '62.50' });
  });

  it('follows exchange rates, and accounts that change hands', async () => {
    const treasurer = await Treasurer.create();
    await treasurer.month('swift', 1, [treasurer.entry('2020-01-05T10:00:00Z', 200, { currency: 'USD' })]);
    const rule = await treasurer.rule({ threshold: '150' });
    expect(rule).toMatchObject({ breached: false, balance: '160.00' });

    await treasurer.done('/exchange-rates', [RATES[0], { currency: 'USD', eurRate: '0.7', usdRate: '1' }]);
    expect(await treasurer.state(rule)).toMatchObject({ breached: true, balance: '140.00' });
    await treasurer.done('/exchange-rates', RATES);
    await treasurer.companies([OWN_TOO]);
    expect(await treasurer.state(rule)).toMatchObject({ breached: true, balance: '0.00' });
    await treasurer.companies([OWN, OWN_TOO]);

    const events = await treasurer.events();
    // No bank transaction has done it: they are of now, and in their order.
    const times = events.map(([, { at }]): string => at);
    expect(times).toEqual(times.toSorted((one, other) => one.localeCompare(other)));
    expect(Date.now() - Date.parse(times[0] ?? '')).toBeLessThan(60_000);
    expect(events.map(([type, { balance }]) => [type, balance])).toEqual([
      ['liquidity.breached', '140.00'],
      ['liquidity.recovered', '160.00'],
      ['liquidity.breached', '0.00'],
      ['liquidity.recovered', '160.00'],
    ]);
  });

  it('says nothing while its company is gone, or its account belongs to another one', async () => {
    const treasurer = await Treasurer.create();
    await treasurer.month('sepa', 1, [treasurer.entry('2020-01-05T10:00:00Z', 500)]);
    const rule = await treasurer.rule({ iban: OWN });
    await treasurer.companies([OWN], '2');

    expect((await treasurer.fetch('/companies/1/liquidity-rules')).status).toBe(404);
    await treasurer.companies([OWN_TOO]);
    expect(await treasurer.state(rule)).toMatchObject({ breached: false, balance: '500.00' });
    await treasurer.companies([OWN]);
    expect(await treasurer.state(rule)).toMatchObject({ breached: false, balance: '500.00' });
    expect(await treasurer.events()).toEqual([]);
  });

  it('leaves out what is booked ahead until its time has come', async () => {
    const treasurer = await Treasurer.create();
    const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString();
    const soon = inSeconds(8);
    await treasurer.done('/sepa?mode=partial', [
      treasurer.entry('2020-01-05T10:00:00Z', -50),
      treasurer.entry(soon, 200),
      treasurer.entry(inSeconds(100_000), -1_000),
    ]);
    const rule = await treasurer.rule({ iban: null, days: null });
    expect(rule).toMatchObject({ breached: true, balance: '-50.00' });
    const { balance } = await treasurer.get('/companies/1/balance');
    expect(balance).toBe('-50.00');

    await until('its time has come', async () => (await treasurer.state(rule)).breached === false, 30_000);
    expect(await treasurer.state(rule)).toMatchObject({ since: soon, balance: '150.00' });
    expect((await treasurer.events()).map(([type, { at }]) => [type, at])).toEqual([
      ['liquidity.breached', expect.any(String)],
      ['liquidity.recovered', soon],
    ]);
    const [{ next_at: next }] = await server.query('select next_at from liquidity_rule where id = $1', [rule.id]);
    expect(Date.parse(next)).toBeGreaterThan(Date.now() + 90_000_000);
  }, 60_000);

  it('says nothing of what was only tried, and of what comes a second time', async () => {
    const treasurer = await Treasurer.create();
    await treasurer.month('sepa', 1, [treasurer.entry('2020-01-05T10:00:00Z', 500)]);
    const rule = await treasurer.rule({});
    const fall = [treasurer.entry('2020-02-05T10:00:00Z', -450)];
    await treasurer.done('/sepa?mode=window&from=2020-02-01&to=2020-03-01&dryRun=true', fall);
    expect(await treasurer.events()).toEqual([]);

    await treasurer.month('sepa', 2, fall);
    await treasurer.month('sepa', 2, fall);
    await treasurer.month('sepa', 3, [treasurer.entry('2020-03-05T10:00:00Z', -1)]);

    expect(await treasurer.state(rule)).toMatchObject({ breached: true, since: '2020-02-05T10:00:00.000Z' });
    expect(await treasurer.events()).toHaveLength(1);
  });
});

describe('rules while much happens at once', () => {
  it('see what both kinds of transactions move together', async () => {
    const treasurer = await Treasurer.create();
    await treasurer.month('sepa', 1, [treasurer.entry('2020-01-05T10:00:00Z', 300)]);
    const rule = await treasurer.rule({});
    for (let month = 2; month < 8; month += 1) {
      const at = `2020-0${month}-05T10:00:00Z`;
      const sign = month % 2 === 0 ? -1 : 1;
      await Promise.all([
        treasurer.month('sepa', month, [treasurer.entry(at, sign * 150)]),
        treasurer.month('swift', month, [treasurer.entry(at, sign * 150)]),
      ]);
      expect(await treasurer.state(rule)).toMatchObject({ breached: sign < 0 });
    }
    expect(await treasurer.events()).toHaveLength(6);
  }, 60_000);

  it('are judged by what is there in the end, whenever they were made, as a slow computation says', async () => {
    const treasurer = await Treasurer.create();
    const all = Array.from({ length: 240 }, (_, place) => {
      const month = 1 + (place % 10);
      const at = `2020-${String(month).padStart(2, '0')}-${String(1 + ((place * 7) % 28)).padStart(2, '0')}T0${place % 10}:00:00Z`;
      return { month, kind: place % 3 === 0 ? 'sepa' : 'swift', at, amount: ((place * 7_919) % 2_001) - 1_000 };
    });
    const sends = [3, 9, 1, 7, 5, 2, 10, 8, 6, 4].flatMap((month) =>
      (['sepa', 'swift'] as const).map((kind) => {
        const rows = all.filter((row) => row.month === month && row.kind === kind);
        return treasurer.month(
          kind,
          month,
          rows.map(({ at, amount }) => treasurer.entry(at, amount)),
        );
      }),
    );
    const lines = [-3_000, -1_000, 0, 1, 500, 2_500];
    const rules = await Promise.all(lines.map((threshold) => treasurer.rule({ threshold })));
    await Promise.all(sends);

    const events = await treasurer.events();
    for (const [place, rule] of rules.entries()) {
      const { breached, since, balance } = slowly(all, lines[place] as number);
      expect((await treasurer.state(rule)).breached).toBe(breached);
      const newest = await treasurer.rule({ threshold: lines[place] });
      expect(newest.breached).toBe(breached);
      if (since !== null) expect([newest.since, Number(newest.balance)]).toEqual([since, balance]);
      const types = events.flatMap(([type, { ruleId }]) => (ruleId === rule.id ? [type] : []));
      expect(types).toEqual(types.map((_, index) => (index % 2 === 0 ? 'liquidity.breached' : 'liquidity.recovered')));
      expect(types.length % 2 === 1).toBe(breached);
    }
  }, 120_000);
});

/** On which side of the line the balance is, and since when, without our code. */
function slowly(rows: { at: string; amount: number }[], line: number) {
  const amounts = new Map<string, number>();
  for (const { at, amount } of rows) amounts.set(at, (amounts.get(at) ?? 0) + amount);
  let [balance, since, then]: [number, string | null, number] = [0, null, 0];
  for (const at of [...amounts.keys()].toSorted()) {
    const was = balance < line;
    balance += amounts.get(at) as number;
    if (balance < line !== was) [since, then] = [at.replace('Z', '.000Z'), balance];
  }
  return { breached: balance < line, since, balance: then };
}

describe('a rule about a forecast', () => {
  it('tells once a balance is expected to fall below its line, and when it no longer is', async () => {
    const treasurer = await Treasurer.create();
    const days = Array.from({ length: 9 }, (_, month) => `2020-0${month + 1}-15T08:00:00Z`);
    await treasurer.month('sepa', 1, [
      treasurer.entry('2020-01-02T00:00:00Z', 10_000),
      treasurer.entry(days[0] as string, -1_000),
    ]);
    const rule = await treasurer.rule({ kind: 'forecast_below', threshold: '1500', days: 90 });
    expect(rule).toMatchObject({ breached: null, since: null, balance: null, days: 90 });
    await until('a forecast was made', async () => (await treasurer.state(rule)).breached === false);

    for (const [place, at] of days.entries()) {
      if (place > 0) await treasurer.month('sepa', place + 1, [treasurer.entry(at, -1_000)]);
    }
    await until('the fall is foreseen', async () => (await treasurer.state(rule)).breached === true);
    const [[type, told] = []] = await treasurer.events();
    expect([type, told]).toEqual([
      'liquidity.breached',
      {
        ruleId: rule.id,
        companyId: '1',
        at: expect.stringMatching(/^2020-0\d-15T08:00:00\.000Z$/),
        balance: expect.stringMatching(/^-?\d+\.\d\d$/),
        threshold: '1500.00',
        kind: 'forecast_below',
        currency: 'EUR',
        iban: null,
        source: treasurer.source,
        link: `/companies/1/liquidity-rules/${rule.id}`,
        date: expect.stringMatching(/^2020-\d\d-\d\d$/),
      },
    ]);
    const forecast = await treasurer.get(`/companies/1/forecast?days=90&asOf=${told.at}`);
    expect(forecast.items.find(({ date }: any) => date === told.date).expected).toBe(told.balance);
    expect(Number(told.balance)).toBeLessThan(1_500);

    await treasurer.month('swift', 9, [treasurer.entry('2020-09-20T00:00:00Z', 50_000, { beneficiaryIban: OWN_TOO })]);
    await until('all is well', async () => (await treasurer.state(rule)).breached === false);
    expect((await treasurer.events()).map(([name]) => name)).toEqual(['liquidity.breached', 'liquidity.recovered']);
  }, 60_000);

  it('may be about one account, without any transaction', async () => {
    const treasurer = await Treasurer.create();
    const rule = await treasurer.rule({ kind: 'forecast_below', iban: OWN_TOO });
    await until('a forecast was made', async () => (await treasurer.state(rule)).breached !== null);
    expect(await treasurer.state(rule)).toMatchObject({ breached: true, balance: '0.00', days: 30, iban: OWN_TOO });
  });
});

describe('rules of a company', () => {
  let any: Treasurer | null = null;

  it('are listed newest first, shown, and deleted', async () => {
    const treasurer = await Treasurer.create();
    const made = [await treasurer.rule({}), await treasurer.rule({ threshold: -0.5 }), await treasurer.rule({})];
    const first = await treasurer.get('/companies/1/liquidity-rules?limit=2');
    const second = await treasurer.get(`/companies/1/liquidity-rules?limit=2&cursor=${first.nextCursor}`);
    expect([...first.items, ...second.items]).toEqual(made.toReversed());
    expect(second.nextCursor).toBeNull();

    const path = `/companies/1/liquidity-rules/${made[0].id}`;
    expect((await treasurer.request('DELETE', path)).status).toBe(204);
    expect((await treasurer.request('DELETE', path)).status).toBe(404);
    expect((await treasurer.fetch(path)).status).toBe(404);
    const stranger = new WebhookOwner(server);
    expect((await stranger.fetch(`/companies/1/liquidity-rules/${made[1].id}`)).status).toBe(404);
    expect((await stranger.request('DELETE', `/companies/1/liquidity-rules/${made[1].id}`)).status).toBe(404);
  });

  it('are at most twenty', async () => {
    const treasurer = await Treasurer.create();
    const answers = await Promise.all(
      Array.from({ length: 22 }, () =>
        treasurer.request('POST', '/companies/1/liquidity-rules', {
          kind: 'balance_below',
          threshold: '1',
          currency: 'EUR',
        }),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([
      ...Array(20).fill(201),
      409,
      409,
    ]);
  });

  it.each([
    [{ kind: 'below' }, '/kind'],
    [{ threshold: null }, '/threshold'],
    [{ threshold: 'much' }, '/threshold'],
    [{ threshold: '1.00001' }, '/threshold'],
    [{ threshold: '1'.repeat(16) }, '/threshold'],
    [{ threshold: '9'.repeat(10_000) }, '/threshold'],
    [{ currency: 'GBP' }, '/currency'],
    [{ iban: THEIRS }, '/iban'],
    [{ iban: 7 }, '/iban'],
    [{ days: 5 }, '/days'],
    [{ kind: 'forecast_below', days: 0 }, '/days'],
    [{ kind: 'forecast_below', days: 366 }, '/days'],
    [{ kind: 'forecast_below', days: '30' }, '/days'],
    [{ level: 80 }, '/level'],
  ])('are refused with %j', async (fields, pointer) => {
    any ??= await Treasurer.create();
    const response = await any.request('POST', '/companies/1/liquidity-rules', {
      kind: 'balance_below',
      threshold: '100',
      currency: 'EUR',
      ...fields,
    });
    const { errors } = (await response.json()) as any;
    expect([response.status, errors.map((error: any) => error.pointer)]).toEqual([400, [pointer]]);
  });

  it('need a company', async () => {
    const treasurer = await Treasurer.create();
    const order = { kind: 'balance_below', threshold: '1', currency: 'EUR' };
    expect((await treasurer.request('POST', '/companies/2/liquidity-rules', order)).status).toBe(404);
    expect((await treasurer.request('POST', '/companies/%00/liquidity-rules', order)).status).toBe(404);
    expect((await treasurer.fetch('/companies/2/liquidity-rules')).status).toBe(404);
  });
});
