import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Audited, recordOutcome, subjectOf } from '../audit/audited.js';
import { answerExport, answerPageOrExport } from '../audit/exports.js';
import { ApiPage } from '../http/api-page.js';
import { CallerSource } from '../http/caller-source.js';
import { Refusal } from '../http/refusal.js';
import { Wants } from '../http/wants.js';
import { Sources } from '../sync/sources/sources.js';
import { AccountStatement, type EntryView, type StatementPart } from './account-statement.js';
import { camt053 } from './camt053.js';
import { ListTransactions, rulesOf, StatementQuery } from './cashflow-query.dto.js';
import { CompanyTransaction } from './cashflow-view.dto.js';
import { askedRange, type Range } from './company-balances.js';
import { CompanyList } from './company-list.js';
import { CompanyTransactions } from './company-transactions.js';

/** The rows behind the figures of a company. */
@ApiTags('cashflow')
@Wants('read')
@Controller('companies/:id')
export class CompanyRowsController {
  constructor(
    private readonly companies: CompanyList,
    private readonly sources: Sources,
    private readonly transactionsOf: CompanyTransactions,
    private readonly statement: AccountStatement,
  ) {}

  @Get('transactions')
  @Audited('companies.transactions_read', {
    subject: subjectOf('companies'),
    exported: 'companies.transactions_exported',
  })
  @ApiOperation({ summary: 'The transactions of a company by time', operationId: 'list_company_transactions' })
  @ApiProduces('application/json', 'application/x-ndjson', 'text/csv')
  @ApiPage(CompanyTransaction)
  async transactions(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Query() query: ListTransactions,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const sourceId = await this.sources.find(source);
    await this.companies.get(sourceId, id);
    await answerPageOrExport(request, response, {
      page: () => this.transactionsOf.page(sourceId, id, query),
      mayBegin: async () => void askedRange(query),
      all: () => this.transactionsOf.all(sourceId, id, query),
      csvColumns: [...TRANSACTION_COLUMNS, 'direction', 'counterparty', 'kinds'],
      toCells: ({ kinds, ...rest }) => ({ ...rest, kinds: kinds.join('|') }),
    });
  }

  @Get('accounts/:iban/statement')
  @Audited('companies.statement_read', { subject: subjectOf('companies') })
  @ApiOperation({
    summary: 'The statement of an account: camt.053, or CSV',
    operationId: 'get_account_statement',
  })
  @ApiProduces('application/xml', 'text/csv')
  async accountStatement(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Param('iban') iban: string,
    @Query() query: StatementQuery,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const range = statementRange(query);
    const sourceId = await this.sources.find(source);
    await this.companies.get(sourceId, id);
    await this.statement.requireAccount(sourceId, id, iban);
    const parts = this.statement.parts(iban, range, rulesOf(query));
    if (request.accepts(['application/xml', 'text/csv']) === 'text/csv') {
      await answerExport(request, response, {
        all: () => lines(parts, range),
        csvColumns: ['currency', 'kind', 'timestamp', 'amount', 'balance', 'counterparty', 'transactionId', 'id'],
        toCells: (line) => ({ ...line }),
      });
      return;
    }
    await recordOutcome(response, { isExport: true });
    response.type('application/xml').vary('Accept');
    const head = { iban, ...range, createdAt: new Date().toISOString() };
    await pipeline(Readable.from(camt053(head, parts)), response);
  }
}

const TRANSACTION_COLUMNS = ['resource', 'id', 'payerIban', 'beneficiaryIban', 'amount', 'currency', 'timestamp'];

/** A statement has to say of which time it is. @throws Refusal 400 */
function statementRange(query: StatementQuery): Range {
  const { from, to } = askedRange(query);
  for (const [name, bound] of Object.entries({ from, to })) {
    if (bound === null) throw Refusal.parameter(name, 'A statement needs both bounds, from and to.', 'bound_required');
  }
  if (from === null || to === null || from >= to) {
    throw Refusal.parameter('from', 'from must be before to.', 'empty_range');
  }
  return { from, to };
}

type Line = Partial<EntryView> & { currency: string; kind: 'opening' | 'entry' | 'closing'; balance: string };

/** A line for each balance and each entry, with the balance after it. */
async function* lines(parts: AsyncIterable<StatementPart>, { from, to }: Range): AsyncGenerator<Line> {
  for await (const { currency, opening, closing, entries } of parts) {
    yield { currency, kind: 'opening', timestamp: from, balance: opening };
    for await (const { balance, ...entry } of entries) yield { ...entry, currency, kind: 'entry', balance };
    yield { currency, kind: 'closing', timestamp: to, balance: closing };
  }
}
