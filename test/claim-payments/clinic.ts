import { EntityManager } from '@mikro-orm/postgresql';
import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { PaymentOutbox } from '../../src/claim-payments/payment-outbox.js';
import { withinSource } from '../../src/platform/source-isolation.js';
import { Sources } from '../../src/sync/sources.js';
import { Sender } from '../http/sender.js';
import { type TestServer, until } from '../setup/test-server.js';

/** A source with claims, of which the payments service is told as whoever stores claims does it. */
export class Clinic {
  private constructor(
    private readonly server: TestServer,
    readonly from: Sender,
    readonly id: number,
  ) {}

  static async open(server: TestServer): Promise<Clinic> {
    const source = `clinic-${randomBytes(5).toString('hex')}`;
    return new Clinic(server, new Sender(server, source), await server.app.get(Sources).ensure(source));
  }

  /** Leaves word of so many claims, in a transaction each, and announces it. @returns their ids */
  async claims(count: number, netFee = '116.85'): Promise<string[]> {
    const ids = Array.from({ length: count }, () => uuidv7());
    await Promise.all(ids.map((id) => this.leaveWord(id, netFee)));
    this.announce();
    return ids;
  }

  /** The same of one claim, whose transaction `work` may still break. */
  async leaveWord(id: string, netFee: string, work: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    await withinSource(this.id, () =>
      this.server.app
        .get(EntityManager)
        .fork()
        .transactional(async (em) => {
          await this.server.app.get(PaymentOutbox).add(em, { id, sourceId: this.id, netFee });
          await work();
        }),
    );
  }

  announce(): void {
    this.server.app.get(PaymentOutbox).announce();
  }

  /** How many claims are in which state. */
  async counts(): Promise<Record<string, number>> {
    const counts = await this.from.get<Record<string, number>>('/claim-payments/states');
    return Object.fromEntries(Object.entries(counts).filter(([, n]) => n > 0));
  }

  async state(claimId: string): Promise<any> {
    const { items } = await this.from.get('/claim-payments/notifications?limit=1000');
    return items.find((item: { claimId: string }) => item.claimId === claimId);
  }

  /** The claims that have been paid, as often as they were. */
  async paid(): Promise<string[]> {
    const rows = await this.server.query('select claim_id from claim_payment where source_id = $1 order by claim_id', [
      this.id,
    ]);
    return rows.map(({ claim_id }) => claim_id);
  }

  async allAre(status: string, count: number, timeoutMs?: number): Promise<void> {
    const wanted = { [status]: count };
    const isSo = async () => JSON.stringify(await this.counts()) === JSON.stringify(wanted);
    await until(`${count} are ${status}`, isSo, timeoutMs);
  }

  /** What was told a moment ago the rescue leaves alone; now it was told long ago. */
  async letTimePass(): Promise<void> {
    await this.server.query(
      `update payment_notification set relayed_at = relayed_at - interval '1 minute' where source_id = $1`,
      [this.id],
    );
  }

  retry(claimId: string): Promise<Response> {
    return this.from.fetch(`/claims/${claimId}/payment/retry`, { method: 'POST' });
  }
}

/** An error as a fault of ours makes it, and one as a database that goes away does. */
type SqlState = 'P0001' | '08006';

/** Lets each payment of a source fail until it is mended. */
export async function breakPaymentsOf(
  server: TestServer,
  { id }: Clinic,
  state: SqlState = 'P0001',
): Promise<() => Promise<void>> {
  await server.query(`
    create function refuse_${id}() returns trigger language plpgsql as $$ begin
      raise 'a row with an amount' using errcode = '${state}'; end $$;
    create trigger refuse_${id} before insert on claim_payment for each row when (new.source_id = ${id})
      execute function refuse_${id}()`);
  return async () => {
    await server.query(`drop trigger refuse_${id} on claim_payment`);
  };
}
