import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Outcome, runCli } from '../setup/command-line.js';
import {
  createDatabase,
  query,
  startTestServer,
  type TestServer,
  type TestServerOptions,
} from '../setup/test-server.js';

/** The queue that the template of all databases has already. */
const { queuePrefix } = JSON.parse(process.env['TEST_TEMPLATE'] ?? '{}') as { queuePrefix: string };

/** A definition, or what somebody takes for one. */
export interface Shape {
  name: string;
  [part: string]: unknown;
}

/** A folder of files with resources and a database, and the servers and commands that somebody runs with them. */
export class Installation {
  readonly folder = mkdtempSync(join(tmpdir(), 'counterpart-declared-'));
  private readonly servers = new Set<TestServer>();

  private constructor(private databaseUrl: string) {}

  /** @param database a migrated one by default */
  static async create(database: Promise<string> = createDatabase()): Promise<Installation> {
    return new Installation(await database);
  }

  /** Writes the file of a resource. JSON is YAML too. */
  declare(...shapes: Shape[]): void {
    for (const shape of shapes) this.write(`${shape.name}.yaml`, JSON.stringify(shape, null, 2));
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  remove(resource: string): void {
    rmSync(join(this.folder, `${resource}.yaml`));
  }

  /** From now on servers and commands use the database as this user. */
  connectAs(user: string, password: string): void {
    this.databaseUrl = Object.assign(new URL(this.databaseUrl), { username: user, password }).href;
  }

  async start(options: TestServerOptions = {}): Promise<TestServer> {
    const server = await startTestServer({
      databaseUrl: this.databaseUrl,
      RESOURCES_DIR: this.folder,
      QUEUE_PREFIX: queuePrefix,
      ...options,
    });
    this.servers.add(server);
    return server;
  }

  /** Starts a server, does something with it, and stops it. */
  async whileUp<T>(work: (server: TestServer) => Promise<T>): Promise<T> {
    const server = await this.start();
    try {
      return await work(server);
    } finally {
      await this.stop(server);
    }
  }

  async stop(server: TestServer): Promise<void> {
    this.servers.delete(server);
    await server.close();
  }

  /** Runs a command of the command line on the database, such as `resources check`. */
  command(...parameters: string[]): Promise<Outcome> {
    return runCli(parameters, this.environment);
  }

  get environment(): Record<string, string> {
    return { DATABASE_URL: this.databaseUrl, RESOURCES_DIR: this.folder, QUEUE_PREFIX: queuePrefix };
  }

  query<T extends Record<string, any> = any>(sql: string, values: unknown[] = []): Promise<T[]> {
    return query<T>(this.databaseUrl, sql, values);
  }

  /** The indexes of a table that are not unique, in the order of their columns. */
  indexesOf(table: string): Promise<{ name: string; oid: number; on: string; isValid: boolean }[]> {
    return this.query(
      `select indexrelid::regclass::text as name, indexrelid::int as oid, indisvalid and indisready as "isValid",
              regexp_replace(pg_get_indexdef(indexrelid), '^.* USING btree ', '') as on
         from pg_index where indrelid = to_regclass($1) and not indisunique order by 4`,
      [table],
    );
  }

  /** All that the database has of declared resources, so that two states of it can be compared. */
  async catalogue(): Promise<unknown> {
    return {
      relations: await this.query(
        `select relname, oid, relfilenode, relacl::text, relrowsecurity, relforcerowsecurity from pg_class
          where relname like 'mirrored%' order by relname`,
      ),
      columns: await this.query(
        `select attrelid::regclass::text as relation, attname, attnum, atttypid::regtype::text as type from pg_attribute
          where attrelid::regclass::text like '%mirrored%' and attnum > 0 order by 1, attnum`,
      ),
      policies: await this.query(
        `select * from pg_policies where tablename like 'mirrored%' order by tablename, policyname`,
      ),
      definitions: await this.query('select *, xmin from resource_definition order by name'),
    };
  }

  /** Whether links, totals and feed follow from the rows, and all indexes can be used. */
  async isConsistent(): Promise<boolean> {
    const { code, stdout } = await this.command('mirror', 'verify');
    if (code !== 0) process.stdout.write(stdout);
    const [invalid] = await this.query('select count(*)::int as indexes from pg_index where not indisvalid');
    return code === 0 && invalid.indexes === 0;
  }

  /** To be called at the end. */
  async close(): Promise<void> {
    await Promise.all([...this.servers].map((server) => this.stop(server)));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
