import { EntityManager } from '@mikro-orm/postgresql';
import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { PaymentOutbox } from '../../src/settlement/payment-outbox.js';
import { withinSource } from '../../src/database/source-isolation.js';
import { Sources } from '../../src/sync/sources/sources.js';
import { Sender } from '../http/sender.js';
import { type TestServer, until } from '../setup/test-server.js';

/** A source with claims. It inserts payment notifications in the way that the claims module does. */
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

  /** Inserts notifications of so many claims, each in its own transaction, and announces them. @returns their ids */
  async addClaims(count: number, netFee = '116.85'): Promise<string[]> {
    const ids = Array.from({ length: count }, () => uuidv7());
    await Promise.all(ids.map((id) => this.addNotification(id, netFee)));
    this.announce();
    return ids;
  }

  /** Inserts the notification of one claim. The transaction fails if `work` does. */
  async addNotification(
    id: string,
    netFee: string,
    work: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
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

  /** The number of claims in each state that has any. */
  async counts(): Promise<Record<string, number>> {
    const counts = await this.from.get<Record<string, number>>('/claim-payments/states');
    return Object.fromEntries(Object.entries(counts).filter(([, n]) => n > 0));
  }

  async state(claimId: string): Promise<any> {
    const { items } = await this.from.get('/claim-payments/notifications?limit=1000');
    return items.find((item: { claimId: string }) => item.claimId === claimId);
  }

  /** The ids of the claims of all payments: an id appears twice if its claim was paid twice. */
  async paid(): Promise<string[]> {
    const rows = await this.server.query('select claim_id from claim_payment where source_id = $1 order by claim_id', [
      this.id,
    ]);
    return rows.map(({ claim_id }) => claim_id);
  }

  /** Waits until this many claims are in the state, and none in another one. */
  async allAre(status: string, count: number, timeoutMs?: number): Promise<void> {
    const wanted = { [status]: count };
    const isSo = async () => JSON.stringify(await this.counts()) === JSON.stringify(wanted);
    await until(`${count} are ${status}`, isSo, timeoutMs);
  }

  /** Moves the time of relaying into the past: the rescuer leaves newly relayed notifications alone. */
  async ageNotifications(): Promise<void> {
    await this.server.query(
      `update payment_notification set relayed_at = relayed_at - interval '1 minute' where source_id = $1`,
      [this.id],
    );
  }

  retry(claimId: string): Promise<Response> {
    return this.from.fetch(`/claims/${claimId}/payment/retry`, { method: 'POST' });
  }
}

/** The SQLSTATE of an ordinary error, and that of a lost connection to the database. */
type SqlState = 'P0001' | '08006';

/** Makes each payment of a source fail. @returns a function that repairs it */
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
    await server.query(`drop trigger if exists refuse_${id} on claim_payment`);
  };
}
