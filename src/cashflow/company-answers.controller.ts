import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Audited, subjectOf } from '../audit/audited.js';
import { CallerSource } from '../http/caller-source.js';
import { Wants } from '../http/wants.js';
import { Sources } from '../sync/sources/sources.js';
import { BalanceQuery, BalancesQuery, ForecastQuery, instantOf, RangeQuery } from './cashflow-query.dto.js';
import { BalancesView, BalanceView, CountriesView } from './cashflow-view.dto.js';
import { CompanyBalance } from './company-balance.js';
import { CompanyBalances } from './company-balances.js';
import { CompanyCountries } from './company-countries.js';
import { CompanyForecast } from './forecast/company-forecast.js';
import { ForecastView } from './forecast/forecast.dto.js';
import { CompanyList } from './company-list.js';

/** Figures of one company. */
@ApiTags('cashflow')
@Wants('read')
@Controller('companies/:id')
export class CompanyAnswersController {
  constructor(
    private readonly companies: CompanyList,
    private readonly sources: Sources,
    private readonly balanceOf: CompanyBalance,
    private readonly balancesOf: CompanyBalances,
    private readonly countriesOf: CompanyCountries,
    private readonly forecastOf: CompanyForecast,
  ) {}

  @Get('balance')
  @Audited('companies.balance_read', { subject: subjectOf('companies') })
  @ApiOperation({ summary: 'What a company has, up to and including an instant', operationId: 'get_company_balance' })
  @ApiOkResponse({ type: BalanceView })
  async balance(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Query() query: BalanceQuery,
  ): Promise<BalanceView> {
    const at = query.at === undefined ? new Date().toISOString() : instantOf('at', query.at);
    return this.balanceOf.at(await this.require(source, id), id, at, query);
  }

  @Get('balances')
  @Audited('companies.balances_read', { subject: subjectOf('companies') })
  @ApiOperation({ summary: "How a company's balance has moved, by period", operationId: 'list_company_balances' })
  @ApiOkResponse({ type: BalancesView })
  async balances(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Query() query: BalancesQuery,
  ): Promise<BalancesView> {
    return this.balancesOf.byPeriod(await this.require(source, id), id, query);
  }

  @Get('forecast')
  @Audited('companies.forecast_read', { subject: subjectOf('companies') })
  @ApiOperation({ summary: 'What a company will probably have', operationId: 'get_company_forecast' })
  @ApiOkResponse({ type: ForecastView })
  async forecast(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Query() query: ForecastQuery,
  ): Promise<ForecastView> {
    const asOf = query.asOf === undefined ? new Date().toISOString() : instantOf('asOf', query.asOf);
    return this.forecastOf.of(await this.require(source, id), id, asOf, query);
  }

  @Get('countries')
  @Audited('companies.countries_read', { subject: subjectOf('companies') })
  @ApiOperation({ summary: 'Where money comes from, and where it goes', operationId: 'list_company_countries' })
  @ApiOkResponse({ type: CountriesView })
  async countries(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Query() query: RangeQuery,
  ): Promise<CountriesView> {
    return this.countriesOf.list(await this.require(source, id), id, query);
  }

  /** @returns the source's id @throws Refusal 404 */
  private async require(source: string, id: string): Promise<number> {
    const sourceId = await this.sources.find(source);
    await this.companies.get(sourceId, id);
    return sourceId;
  }
}
