import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/**
 * The yardstick, frozen on 2026-11-30: it says nothing if it changes with the product's tables. COPY of payments into
 * exactly this, with the patients there before.
 */
const RAW_TABLES = `
  create table patients (id bigint primary key, source_id int not null, external_id text collate "C" not null,
    first_name text, last_name text, unique (source_id, external_id));
  create table payments (id bigint generated always as identity primary key, source_id int not null,
    external_id text collate "C" not null, patient_id bigint references patients (id),
    amount numeric(19,4) not null, created timestamptz not null default now(), updated timestamptz not null default now(),
    unique (source_id, external_id));
  create index on payments (patient_id)`;

const RAW_PATIENTS = 'copy patients (id, source_id, external_id, first_name, last_name) from stdin';
const RAW_PAYMENTS = 'copy payments (source_id, external_id, patient_id, amount) from stdin';

/** Makes an empty database. @returns its URL */
export async function createDatabase(url: string, name: string): Promise<string> {
  await run(url, `create database ${name}`);
  return Object.assign(new URL(url), { pathname: `/${name}` }).href;
}

export async function dropDatabase(url: string, name: string): Promise<void> {
  await run(url, `drop database if exists ${name}`);
}

/** The seconds that RAW takes in an empty database. What it leaves stays until the round is over: a DROP is a checkpoint. */
export async function rawCopy(url: string, files: { patients: string; payments: string }): Promise<number> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(RAW_TABLES);
    await pipeline(createReadStream(files.patients), client.query(copyFrom(RAW_PATIENTS)));
    const start = performance.now();
    await pipeline(createReadStream(files.payments), client.query(copyFrom(RAW_PAYMENTS)));
    return (performance.now() - start) / 1000;
  } finally {
    await client.end();
  }
}

/** Where the server's WAL ends, in bytes. */
export async function walPosition(url: string): Promise<number> {
  const [row] = await run(url, `select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as bytes`);
  return (row as { bytes: number }).bytes;
}

async function run(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}
