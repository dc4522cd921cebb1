import { Module } from '@nestjs/common';
import { AccountStatement } from './account-statement.js';
import { AllBalances } from './all-balances.js';
import { AnswerBases } from './answer-basis.js';
import { CashflowController } from './cashflow.controller.js';
import { CompaniesController } from './companies.controller.js';
import { CompanyAnswersController } from './company-answers.controller.js';
import { CompanyBalance } from './company-balance.js';
import { CompanyBalances } from './company-balances.js';
import { CompanyCountries } from './company-countries.js';
import { CompanyForecast } from './forecast/company-forecast.js';
import { CompanyList } from './company-list.js';
import { CompanyRowsController } from './company-rows.controller.js';
import { CompanyTransactions } from './company-transactions.js';
import { DirtyTransactions } from './dirty-transactions.js';

/** What bank transactions say about companies. */
@Module({
  controllers: [CompaniesController, CompanyAnswersController, CompanyRowsController, CashflowController],
  providers: [
    AnswerBases,
    CompanyList,
    CompanyBalance,
    CompanyBalances,
    CompanyCountries,
    CompanyForecast,
    CompanyTransactions,
    AccountStatement,
    AllBalances,
    DirtyTransactions,
  ],
})
export class CashflowModule {}
