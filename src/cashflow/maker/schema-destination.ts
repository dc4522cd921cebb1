import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { finished } from 'node:stream/promises';
import { type Destination, Output } from './output.js';
import { COLUMNS, type DataSetName } from './row-formats.js';

/** Thrown for a schema that is there already. */
export class SchemaInUse extends Error {}

/** The types of columns that are not text. Names of columns are the same in all tables. */
const TYPES: Readonly<Record<string, string>> = {
  amount: 'numeric',
  balance: 'numeric',
  usd_rate: 'numeric',
  eur_rate: 'numeric',
  balance_eur: 'numeric',
  balance_usd: 'numeric',
  ibans: 'jsonb',
  timestamp: 'timestamptz',
  first: 'date',
  last: 'date',
};

/** Columns may be named like in the files, but no column of a database should need quotes: `payerIban` is `payer_iban`. */
const columnName = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/**
 * Keeps each data set in a table of one schema, by COPY. All values are kept: tables have no keys, as some rows are there
 * twice on purpose. Each data set has a connection, as several are filled at the same time.
 */
export class SchemaDestination implements Destination {
  readonly format = 'csv';
  private readonly clients: pg.Client[] = [];

  private constructor(
    private readonly url: string,
    private readonly schema: string,
    private readonly client: pg.Client,
  ) {}

  /** @throws SchemaInUse */
  static async create(url: string, schema: string): Promise<SchemaDestination> {
    const client = await connect(url);
    try {
      const tables = Object.entries(COLUMNS).map(([table, columns]) => {
        const list = columns.map((column) => columnName(column)).map((name) => `"${name}" ${TYPES[name] ?? 'text'}`);
        return `create table ${schema}.${table} (${list.join(', ')});`;
      });
      await client.query(`create schema ${schema}; ${tables.join(' ')}`);
      return new SchemaDestination(url, schema, client);
    } catch (error) {
      await client.end();
      const isThere = (error as { code?: string }).code === '42P06';
      throw isThere ? new SchemaInUse(`The schema ${schema} exists.`, { cause: error }) : error;
    }
  }

  async open(name: DataSetName): Promise<Output> {
    const client = await connect(this.url);
    this.clients.push(client);
    const stream = client.query(copyFrom(`copy ${this.schema}.${name} from stdin (format csv, header)`));
    return new Output(stream, finished(stream));
  }

  /** Leaves the statistics that queries need. */
  async finish(): Promise<void> {
    for (const table of Object.keys(COLUMNS)) await this.client.query(`analyze ${this.schema}.${table}`);
  }

  /** Removes what an unfinished run has made. */
  async drop(): Promise<void> {
    await this.endCopies();
    await this.client.query(`drop schema ${this.schema} cascade`);
  }

  async close(): Promise<void> {
    await this.endCopies();
    await this.client.end();
  }

  private async endCopies(): Promise<void> {
    await Promise.allSettled(this.clients.splice(0).map((client) => client.end()));
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  // A connection that is lost is told by what is under way on it, and by what comes next.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
