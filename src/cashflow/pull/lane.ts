import type { Config } from '../../settings/config.js';
import type { Form, Pulled } from '../source/dialects.js';
import { daysBetween, midnight, monthOf, type Span, windowAround } from '../source/moments.js';
import { SourceFault } from '../source/source-fault.js';
import type { AnswerCollector, Piece } from './answer-collector.js';
import { isCovered, overlaps, withSpan } from './coverage.js';
import { type KeptOutcome, readKept } from './kept-cursor.js';
import { BEGINNING, type Position, type PullRow } from './pull-row.js';
import { queryOf, readCursor, stuck } from './next-query.js';
import type { PullStore } from './pull-store.js';
import type { PullSubmitter } from './pull-submitter.js';
import { type Answer, type SourceCalls, windowOf } from './source-calls.js';
import { codesOf, withUnknown } from './unknown-currencies.js';

/** Windows in a row that were received before: a source whose cursors lead in circles. */
const MAX_OLD_WINDOWS = 1_000;

/** What a lane works with. */
export interface LaneTools {
  calls: SourceCalls;
  store: PullStore;
  submitter: PullSubmitter;
  config: Config;
  signal: AbortSignal;
  /** Throws if the process is to stop; called between answers, so that none is lost. */
  mayGoOn: () => void;
}

/** Reads one resource of a source to its end: each answer is stored with where the pull stands before the next is asked for. */
export class Lane {
  readonly position: Position;
  private readonly isResumed: boolean;
  /** Answers without rows since the last window, whose times the source does not tell. */
  private empty = 0;

  constructor(
    private readonly pull: PullRow,
    readonly resource: Pulled,
    readonly form: Form,
    private readonly tools: LaneTools,
    /** Currencies that have a rate; null: that is not known. */
    private readonly currencies: readonly string[] | null = null,
  ) {
    const stored = pull.positions[resource];
    this.isResumed = stored !== undefined || pull.fence > 1;
    this.position = structuredClone(stored ?? BEGINNING);
  }

  /** Whether the source keeps the cursor, so that what it has passed is lost. */
  get isKept(): boolean {
    return this.form.paging.by === 'kept' || this.position.isKept;
  }

  /** Until when its transactions were received. */
  get frontier(): string {
    return this.position.covered.at(-1)?.to ?? '';
  }

  /** @throws SourceFault, PullLost */
  async run(): Promise<void> {
    if (this.position.state === 'reading') await this.read();
    if (this.position.state !== 'read') return;
    await this.tools.submitter.submit(this.pull, this.resource, null, this.tools.signal);
    await this.commit({ state: 'submitted' }, []);
  }

  /** Asks a source that keeps the cursor once more whether it has nothing left. */
  async askAgain(): Promise<void> {
    await this.readKept();
    await this.run();
  }

  private async read(): Promise<void> {
    switch (this.form.paging.by) {
      case 'none':
        return this.readOnce();
      case 'page':
        return this.readPages();
      case 'given':
        return this.position.isKept ? this.readKept() : this.readGiven();
      case 'kept':
        return this.readKept();
    }
  }

  private async readOnce(): Promise<void> {
    const { rows } = await this.insist('');
    const currencies = codesOf(rows.currencies);
    await this.take(rows, rows.whole(), { state: 'read', currencies });
  }

  private async readPages(): Promise<void> {
    const { paging } = this.form;
    if (paging.by !== 'page') return;
    const isTimed = this.form.fields['timestamp'] !== undefined;
    while (this.position.state === 'reading') {
      const { next } = this.position;
      const { rows } = await this.insist(`limit=${paging.limit}${next === null ? '' : `&${next}`}`);
      if (rows.records === 0) {
        await this.endPages(rows, isTimed);
        return;
      }
      if (rows.place === null) throw stuck('The last row of a page lacks what the next one is asked for by.');
      const following = queryOf(paging.after.map(([parameter], index) => [parameter, rows.place?.[index] ?? '']));
      if (following === next) throw stuck('The source gives the same page again and again.');
      if (isTimed) await this.takeWindow(rows, this.spanOfPage(rows), { next: following });
      else await this.take(rows, rows.whole(), { next: following });
    }
  }

  /** After the last page: what follows on its day has no rows. */
  private async endPages(rows: AnswerCollector, isTimed: boolean): Promise<void> {
    if (isTimed && this.frontier !== '') {
      const rest = { from: this.frontier, to: midnight(this.frontier, 1) };
      await this.takeWindow(rows, rest, { state: 'read' });
    } else {
      // Companies are told as none only if there was no page at all.
      const pieces = isTimed || this.position.seq > 0 ? [] : rows.whole();
      await this.take(rows, pieces, { state: 'read' });
    }
  }

  private spanOfPage({ firstAt, lastAt }: AnswerCollector): Span {
    const from = this.frontier === '' ? midnight(firstAt ?? '1970-01-01T00:00:00.000000') : this.frontier;
    return { from, to: lastAt === null || lastAt < from ? from : lastAt };
  }

  private async readGiven(): Promise<void> {
    const { paging } = this.form;
    if (paging.by !== 'given') return;
    let old = 0;
    while (this.position.state === 'reading') {
      const asked = this.position.next ?? queryOf([[paging.parameter, '']]);
      const answer = await this.insist(asked);
      if (!answer.told.has(paging.field)) {
        await this.takeWindow(answer.rows, windowOf(this.form, answer), { isKept: true });
        return this.readKept();
      }
      const given = readCursor(answer.told.get(paging.field));
      const following = given === null ? null : queryOf([[paging.parameter, given]]);
      if (following === asked) throw stuck('The source gives the same cursor again and again.');
      const window = windowOf(this.form, answer);
      const isOld = window !== null && isCovered(this.position.covered, window);
      old = isOld ? old + 1 : 0;
      if (old > MAX_OLD_WINDOWS) throw stuck('The cursors of the source lead in circles.');
      const change: Partial<Position> = following === null ? { state: 'read', next: null } : { next: following };
      if (isOld) await this.commit(change, []);
      else await this.takeWindow(answer.rows, window, change);
    }
  }

  private async readKept(): Promise<void> {
    // What this process, or one before it, has received and not stored is lost.
    if (this.isResumed) this.noteLoss();
    await readKept(this.tools, this.form, (answer) => this.takeKept(answer), {
      lost: (rows) => this.noteLoss(rows),
      hasAny: () => this.position.covered.length > 0,
    });
    await this.commit({ state: 'read' }, []);
  }

  private async takeKept(answer: Answer): Promise<KeptOutcome> {
    const { rows } = answer;
    const found = windowOf(this.form, answer);
    const digest = rows.digest();
    if (found === null) this.empty += 1;
    if (found === null || (rows.records === 0 && found.from >= found.to)) return 'empty';
    if (rows.records > 0 && digest === this.position.last) return 'repeated';
    const { lastAt, covered } = this.position;
    const change = { last: digest };
    if (isCovered(covered, found)) {
      const isNew = rows.firstAt !== null && lastAt !== null && rows.firstAt > lastAt;
      if (!isNew) return 'old';
      // Its windows have not the length that the dialect says.
      const warnings = [...new Set([...this.position.warnings, 'windows_unknown'])];
      await this.takeWindow(rows, { from: this.frontier, to: this.frontier }, { ...change, warnings });
      return 'new';
    }
    const window = this.withEmpty(found);
    await this.takeWindow(rows, window, { ...change, mayLack: { ...this.position.mayLack, last: false } });
    this.empty = 0;
    return rows.records === 0 ? 'empty' : 'new';
  }

  /** Windows without rows that were received since the last one are what lies between them. */
  private withEmpty(window: Span): Span {
    const { windows } = this.form;
    const [days, between] = [windows?.days ?? 0, daysBetween(this.frontier, window.from)];
    return this.frontier !== '' && between > 0 && between <= this.empty * days
      ? { from: this.frontier, to: window.to }
      : window;
  }

  /** An answer did not arrive whole: its window may be lost. */
  private noteLoss(rows?: AnswerCollector): void {
    const { position } = this;
    if (position.covered.length === 0) position.mayLack.first = true;
    position.mayLack.last = true;
    const seen = rows?.firstAt;
    if (seen && this.form.windows) position.sighted = withSpan(position.sighted, windowAround(seen, this.form.windows));
  }

  private async takeWindow(rows: AnswerCollector, window: Span | null, change: Partial<Position>): Promise<void> {
    if (window === null || window.to < window.from) {
      if (rows.records > 0) throw new SourceFault('no_window', 'An answer does not tell of which time it is.', 'none');
      return this.take(rows, [], change);
    }
    const { covered, lastAt } = this.position;
    const isContinued = window.from === window.to || this.form.paging.by === 'page';
    if (!isContinued && overlaps(covered, window)) {
      throw new SourceFault('windows_overlap', 'Two windows of the source overlap.', 'none');
    }
    const latest = rows.lastAt !== null && (lastAt === null || rows.lastAt > lastAt) ? rows.lastAt : lastAt;
    await this.take(rows, rows.within(window), { ...change, covered: withSpan(covered, window), lastAt: latest });
    await this.tools.submitter.submit(this.pull, this.resource, monthOf(this.frontier), this.tools.signal);
  }

  private async take(rows: AnswerCollector, pieces: Piece[], change: Partial<Position>): Promise<void> {
    const { answers, records, seq } = this.position;
    if (answers >= this.tools.config.PULL_MAX_ANSWERS) {
      throw new SourceFault('too_many_answers', `The source gives more than ${answers} answers.`, 'none');
    }
    const counted = { answers: answers + 1, records: records + rows.records, seq: seq + pieces.length };
    await this.commit({ ...change, ...counted, unknown: this.withUnknown(rows) }, pieces);
  }

  private async commit(change: Partial<Position>, pieces: Piece[]): Promise<void> {
    const position = { ...this.position, ...change };
    await this.tools.store.commit(this.pull, this.resource, position, pieces);
    Object.assign(this.position, position);
  }

  private withUnknown({ currencies }: AnswerCollector): Record<string, number> {
    const { unknown } = this.position;
    return this.currencies === null ? unknown : withUnknown(unknown, this.currencies, currencies);
  }

  private insist(query: string): Promise<Answer> {
    return this.tools.calls.insist(this.form, query, this.tools.mayGoOn);
  }
}
