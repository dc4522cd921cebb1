import { expect } from '@jest/globals';
import { formatMoney } from '../../src/values/money.js';
import type { TestServer } from '../setup/test-server.js';

interface Item {
  resource: string;
  externalId: string;
  operation: string;
  jobId: string;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
}

/** A consumer downstream: keeps its own copy of a source's mirror by the feed of changes, and checks every item. */
export class FeedConsumer {
  readonly copy = new Map<string, Record<string, unknown>>();
  private readonly seen = new Set<string>();
  private readonly finishedJobs = new Set<string>();
  private currentJob = '';
  private cursor: string | undefined;

  constructor(
    private readonly server: TestServer,
    private readonly source: string,
    private readonly resource?: string,
  ) {}

  get itemsSeen(): number {
    return this.seen.size;
  }

  /** Reads a page, and waits for items if there are none yet. @returns whether there were any */
  async poll(limit = 1000, waitSeconds = 0): Promise<boolean> {
    const query = new URLSearchParams({
      limit: String(limit),
      ...(this.cursor === undefined ? {} : { after: this.cursor }),
      ...(this.resource === undefined ? {} : { resource: this.resource }),
    });
    const init = { headers: { 'X-Source': this.source, Prefer: `wait=${waitSeconds}` } };
    const response = await this.server.fetch(`/changes?${query.toString()}`, init);
    const page = (await response.json()) as { items: Item[]; nextCursor: string };
    expect(page).toEqual({ items: expect.any(Array), nextCursor: expect.any(String) });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    for (const item of page.items) this.take(item);
    this.cursor = page.nextCursor;
    return page.items.length > 0;
  }

  async readToTheEnd(limit?: number): Promise<void> {
    while (await this.poll(limit));
  }

  /** The copy must equal the stored mirror, unresolved rows included. */
  async expectToEqualTheMirror(): Promise<void> {
    const rows = await this.server.query<{ key: string; image: Record<string, string | null> }>(
      `select 'patients ' || external_id as key,
              json_build_object('firstName', first_name, 'lastName', last_name, 'middleName', middle_name,
                                'dateOfBirth', date_of_birth) as image
         from patient join source on source.id = source_id where name = $1 and deleted_at is null
       union all
       select 'payments ' || external_id, json_build_object('patientId', patient_external_id, 'amount', amount::text)
         from payment join source on source.id = source_id where name = $1 and deleted_at is null`,
      [this.source],
    );
    const mirror = rows
      .filter(({ key }) => this.resource === undefined || key.startsWith(this.resource))
      .map(({ key, image: { amount, ...rest } }) => [key, amount ? { ...rest, amount: formatMoney(amount) } : rest]);
    expect(Object.fromEntries(this.copy)).toEqual(Object.fromEntries(mirror));
  }

  private take(item: Item): void {
    const { resource, externalId, operation, jobId, before, after } = item;
    const change = `${jobId} ${resource} ${externalId}`;
    expect({ change, isRepeated: this.seen.has(change) }).toEqual({ change, isRepeated: false });
    this.seen.add(change);
    this.expectWholeJobs(jobId);
    const key = `${resource} ${externalId}`;
    // Changes of a row form a chain: `before` is the `after` of the change before it.
    expect({ change, operation, before }).toEqual({ change, operation, before: this.copy.get(key) ?? null });
    const isThere = { before: before !== null, after: after !== null };
    expect({ change, operation, ...isThere }).toEqual({
      change,
      operation,
      before: operation === 'updated' || operation === 'deleted',
      after: operation !== 'deleted',
    });
    if (after === null) this.copy.delete(key);
    else this.copy.set(key, after);
  }

  private expectWholeJobs(jobId: string): void {
    if (jobId === this.currentJob) return;
    this.finishedJobs.add(this.currentJob);
    this.currentJob = jobId;
    expect({ jobId, comesAgain: this.finishedJobs.has(jobId) }).toEqual({ jobId, comesAgain: false });
  }
}
