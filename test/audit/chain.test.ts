import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MikroORM } from '@mikro-orm/postgresql';
import { AuditCleaner } from '../../src/audit/audit-cleaner.js';
import { type ChainedEntry, CHAINED_FIELDS, entryHash } from '../../src/audit/audit-chain.js';
import { verifyAudit } from '../../src/audit/verify-audit.js';
import { appendAudit, type AuditEntry } from '../../src/audit/append-audit.js';
import { aPatient, Sender } from '../http/sender.js';
import { type Outcome, runCli } from '../setup/command-line.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { entriesAfter, keyOf, lastSeq, tamper } from './auditor.js';

let server: TestServer;
let nightly: Record<string, string>;

beforeAll(async () => {
  server = await startTestServer({ AUTH: 'keys' });
  Object.assign(server.headers, await keyOf(server, 'operator'));
  nightly = await keyOf(server, 'nightly');
});

afterAll(() => server.close());

function anEntry(fields: Partial<AuditEntry> = {}): AuditEntry {
  return {
    actor: 'nightly',
    keyId: null,
    source: 'default',
    action: 'patients.read',
    subject: 'patients:1',
    items: null,
    address: '127.0.0.1',
    requestId: null,
    outcome: 'allowed',
    status: 200,
    ...fields,
  };
}

/** Appends so many entries, about patients 1, 2, 3… @returns the sequence number before them */
async function append(count: number): Promise<number> {
  const before = await lastSeq(server);
  const entries = Array.from({ length: count }, (_, index) => anEntry({ subject: `patients:${index + 1}` }));
  await appendAudit(server.app.get(MikroORM).em.fork(), entries);
  return before;
}

function verdict(expected: { seq: number; hash: string } | null = null) {
  return verifyAudit(server.databaseUrl, expected);
}

async function brokenAt(): Promise<number | undefined> {
  return (await verdict()).broken?.seq;
}

describe('the chain', () => {
  let before: number;
  let kept: unknown[];

  beforeAll(async () => {
    before = await append(10);
    kept = await server.query('select to_jsonb(audit_entry) as entry from audit_entry order by seq');
  });

  // Undoes the tampering of the previous test.
  const restore = async () => {
    const entries = JSON.stringify(kept.map((row) => (row as { entry: unknown }).entry)).replaceAll("'", "''");
    await tamper(
      server,
      `delete from audit_entry;
       insert into audit_entry select * from jsonb_populate_recordset(null::audit_entry, '${entries}')`,
    );
    expect(await verdict()).toMatchObject({ broken: null, entries: kept.length });
  };
  beforeEach(restore);
  afterAll(restore);

  it.each([
    ['actor', `'somebody else'`],
    ['key_id', `''`],
    ['source', 'null'],
    ['action', `'patients.listed'`],
    ['subject', `'patients:7'`],
    ['items', '1'],
    ['address', `'127.0.0.2'`],
    ['request_id', `'1'`],
    ['outcome', `'refused'`],
    ['status', '404'],
    ['at', `at - interval '1 microsecond'`],
    ['hash', 'sha256(hash)'],
    ['previous_hash', 'sha256(hash)'],
  ])('shows that %s was changed', async (field, value) => {
    await tamper(server, `update audit_entry set ${field} = ${value} where seq = $1`, [before + 4]);

    expect(await brokenAt()).toBe(before + 4);
  });

  it('shows that a row was removed', async () => {
    await tamper(server, 'delete from audit_entry where seq = $1', [before + 4]);

    expect(await brokenAt()).toBe(before + 4);
  });

  it('shows that a row was removed and later ones moved up', async () => {
    await tamper(server, 'delete from audit_entry where seq = $1', [before + 4]);
    await tamper(server, 'update audit_entry set seq = -seq where seq > $1', [before + 4]);
    await tamper(server, 'update audit_entry set seq = -seq - 1 where seq < 0');

    expect(await brokenAt()).toBe(before + 4);
  });

  it('shows that a row was inserted', async () => {
    await tamper(server, 'update audit_entry set seq = -seq where seq > $1', [before + 4]);
    await tamper(server, 'update audit_entry set seq = 1 - seq where seq < 0');
    await tamper(
      server,
      `insert into audit_entry select seq + 1, at, actor, key_id, source, action, subject, items, address, request_id,
         outcome, status, previous_hash, hash from audit_entry where seq = $1`,
      [before + 4],
    );

    expect(await brokenAt()).toBe(before + 5);
  });

  it('shows that two rows were swapped', async () => {
    for (const [from, to] of [
      [4, -1],
      [6, 4],
      [-1, 6],
    ] as const) {
      const place = (row: number) => (row < 0 ? row : before + row);
      await tamper(server, 'update audit_entry set seq = $1 where seq = $2', [place(to), place(from)]);
    }

    expect(await brokenAt()).toBe(before + 4);
  });

  it('shows that its end or all of it was deleted', async () => {
    await tamper(server, 'delete from audit_entry where seq > $1', [before + 7]);
    expect(await brokenAt()).toBe(before + 8);

    await tamper(server, 'delete from audit_entry');
    expect(await brokenAt()).toBe(1);
  });

  it('shows that a row was appended', async () => {
    await tamper(
      server,
      `insert into audit_entry select seq + 1, at, actor, key_id, source, action, subject, items, address, request_id,
         outcome, status, hash, hash from audit_entry where seq = $1`,
      [before + 10],
    );

    expect((await verdict()).broken).not.toBeNull();
  });

  it('shows, by a head that was kept elsewhere, that it was cut off or rewritten consistently', async () => {
    const { head } = await verdict();
    const expected = { seq: Number(head.split(':')[0]), hash: head.split(':')[1] ?? '' };
    expect((await verdict(expected)).broken).toBeNull();

    await tamper(server, `update audit_chain set seq = $1, hash = (select hash from audit_entry where seq = $1)`, [
      before + 9,
    ]);
    await tamper(server, 'delete from audit_entry where seq = $1', [before + 10]);
    expect(await brokenAt()).toBeUndefined();
    expect((await verdict(expected)).broken?.seq).toBe(before + 10);

    await append(1);
    expect(await brokenAt()).toBeUndefined();
    expect((await verdict(expected)).broken?.seq).toBe(before + 10);
    kept = await server.query('select to_jsonb(audit_entry) as entry from audit_entry order by seq');
  });

  it('distinguishes entries whose concatenated fields are equal', async () => {
    const [first] = await entriesAfter(server, before);
    await tamper(server, `update audit_entry set action = 'patients', subject = '.read' || subject where seq = $1`, [
      Number(first?.seq),
    ]);

    expect(await brokenAt()).toBe(before + 1);
  });
});

describe('the log', () => {
  it.each([
    `update audit_entry set actor = 'nobody'`,
    `update audit_entry set actor = 'nobody' where seq < 0`,
    'delete from audit_entry where seq > 0',
    'truncate audit_entry',
    'truncate audit_entry, audit_chain',
    'delete from audit_chain',
    'update audit_chain set seq = seq - 1',
    'update audit_chain set forgotten_seq = seq + 1',
  ])('refuses: %s', async (sql) => {
    await append(2);

    await expect(server.query(sql)).rejects.toThrow('the audit log is append-only');
  });

  it('allows a role to read and append without further privileges', async () => {
    const role = `r_${server.databaseUrl.split('_').at(-1)}`;
    await server.query(`create role ${role}; grant select on audit_entry to ${role};
      grant execute on function audit_append(jsonb) to ${role}`);
    const as = (sql: string) => server.query(`set local role ${role}; ${sql}`);
    const seq = await lastSeq(server);

    await as(`select audit_append('[{"actor":"a","action":"b","outcome":"allowed"}]')`);
    await as('select * from audit_entry');
    expect(await lastSeq(server)).toBe(seq + 1);
    for (const sql of [
      'select audit_forget(365, 1)',
      'insert into audit_entry (seq) values (0)',
      'update audit_chain set seq = 0',
      `delete from audit_entry`,
    ]) {
      await expect(as(sql)).rejects.toThrow('permission denied');
    }
    await server.query(`drop owned by ${role}; drop role ${role}`);
  });

  it('gets 200 consecutive entries for 200 concurrent reads', async () => {
    const sender = new Sender(server);
    await sender.mirror('/patients', [aPatient({ externalId: '5' })]);
    const before = await lastSeq(server);

    await Promise.all(Array.from({ length: 200 }, () => sender.get('/patients/5')));

    const entries = await entriesAfter(server, before);
    expect(entries.map(({ seq }) => Number(seq))).toEqual(
      Array.from({ length: 200 }, (_, index) => before + index + 1),
    );
    expect(entries.every(({ action }) => action === 'patients.read')).toBe(true);
    expect(await brokenAt()).toBeUndefined();
  });

  it('makes reads fail while it cannot be written', async () => {
    const sender = new Sender(server);
    const job = await sender.mirror('/patients', [aPatient({ externalId: '5', firstName: 'Pheasant' })]);
    await server.query('alter function audit_append(jsonb) rename to audit_gone');
    try {
      for (const path of ['/patients/5', '/patients', '/changes', `/sync/jobs/${job.id}/snapshot`, '/patients/404']) {
        const response = await sender.fetch(path);
        expect([path, response.status, await response.text()]).toEqual([
          path,
          503,
          expect.not.stringContaining('Pheas'),
        ]);
      }
      const headers = { Accept: 'application/x-ndjson' };
      expect((await sender.fetch(`/sync/jobs/${job.id}/changes`, { headers })).status).toBe(503);
      expect(await (await server.fetch('/metrics')).text()).toContain('counterpart_audit_unwritten_total 6');
    } finally {
      await server.query('alter function audit_gone(jsonb) rename to audit_append');
    }
    expect((await sender.fetch('/patients/5')).status).toBe(200);
  });

  it('drops entries after their retention, and the rest is a valid chain', async () => {
    await append(30);
    const { head } = await verdict();
    const gone = (await lastSeq(server)) - 20;
    await age(gone);

    await server.app.get(AuditCleaner).clean();

    // The last old entry is kept.
    expect(await verdict()).toMatchObject({ broken: null, forgotten: gone - 1, entries: 21, first: { seq: gone } });
    expect(head).not.toBe((await verdict()).head);
    await append(1);
    expect(await verdict()).toMatchObject({ broken: null, entries: 22 });
  });

  it('detects an owner who drops young entries as if by retention', async () => {
    await append(5);
    const seq = await lastSeq(server);
    const forget = `update audit_chain set forgotten_seq = ${seq - 2},
      forgotten_hash = (select hash from audit_entry where seq = ${seq - 2})`;
    await expect(server.query(forget)).rejects.toThrow('the audit log is append-only');

    await server.query('create table kept_entry as table audit_entry; create table kept_chain as table audit_chain');
    await tamper(server, `${forget}; delete from audit_entry where seq <= ${seq - 2}`);

    expect((await verdict()).broken).toEqual({ seq: seq - 2, what: 'it was dropped before its time' });
    await tamper(server, 'delete from audit_entry; update audit_chain set forgotten_seq = seq, forgotten_hash = hash');
    expect((await verdict()).broken).toEqual({ seq, what: 'it was dropped before its time' });

    // Restores the log for the following tests.
    await tamper(
      server,
      `delete from audit_chain; insert into audit_chain table kept_chain; insert into audit_entry table kept_entry;
       drop table kept_chain, kept_entry`,
    );
    expect((await verdict()).broken).toBeNull();
  });

  it('refuses to drop entries of the last year', async () => {
    await expect(server.query('select audit_forget(364, 1000)')).rejects.toThrow('at least 365 days');
    await expect(server.query('select audit_forget(null, 1000)')).rejects.toThrow('at least 365 days');
  });
});

/** Rewrites the log consistently, with all entries up to `seq` seven years older. */
async function age(seq: number): Promise<void> {
  await tamper(server, `update audit_entry set at = at - interval '7 years' where seq <= $1`, [seq]);
  const [chain] = await server.query('select forgotten_hash as hash from audit_chain');
  let { hash } = chain as { hash: Buffer };
  const updates: string[] = [];
  for (const link of await server.query<ChainedEntry>(
    `select ${CHAINED_FIELDS} from audit_entry order by audit_entry.seq`,
  )) {
    const next = entryHash(hash, link);
    const [old, young] = [hash, next].map((each) => `'\\x${each.toString('hex')}'`);
    updates.push(`update audit_entry set previous_hash = ${old}, hash = ${young} where seq = ${link.seq}`);
    hash = next;
  }
  updates.push(`update audit_chain set hash = '\\x${hash.toString('hex')}'`);
  await tamper(server, updates.join(';'));
}

describe('GET /audit', () => {
  let sender: Sender;

  beforeEach(async () => {
    sender = new Sender(server);
    await sender.mirror('/patients', [aPatient({ externalId: '5' }), aPatient({ externalId: '6' })]);
    await sender.get('/patients/5');
    await sender.get('/patients/6', nightly);
  });

  it('lists entries, newest first, in pages', async () => {
    const first = await sender.get(`/audit?source=${sender.source}&limit=2`);
    const second = await sender.get(`/audit?source=${sender.source}&limit=2&cursor=${first.nextCursor}`);

    expect(first.items.map(({ action, subject }: any) => [action, subject])).toEqual([
      ['patients.read', 'patients:6'],
      ['patients.read', 'patients:5'],
    ]);
    // The entry about reading the first page is not part of the list that began before it.
    expect(second.items.map(({ action }: any) => action)).toEqual(['snapshot.submitted']);
    expect(second.nextCursor).toBeNull();
    expect(first.items[0]).toEqual({
      seq: expect.any(Number),
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      actor: 'nightly',
      keyId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      source: sender.source,
      action: 'patients.read',
      subject: 'patients:6',
      items: null,
      address: '127.0.0.1',
      requestId: expect.any(String),
      outcome: 'allowed',
      status: 200,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('is filtered by actor, action, subject and time', async () => {
    const found = async (query: string) =>
      (await sender.get(`/audit?source=${sender.source}&limit=100&${query}`)).items.map(({ subject }: any) => subject);
    const [{ at: now }] = (await sender.get(`/audit?source=${sender.source}&action=snapshot.submitted`)).items;
    const from = encodeURIComponent(now);

    expect(await found('actor=nightly')).toEqual(['patients:6']);
    expect(await found('action=patients.read')).toEqual(['patients:6', 'patients:5']);
    expect(await found('subject=patients:5')).toEqual(['patients:5']);
    expect(await found(`action=patients.read&from=${from}`)).toHaveLength(2);
    expect(await found(`action=patients.read&to=${from}`)).toEqual([]);
    expect(await found('actor=nightly&subject=patients:5')).toEqual([]);
  });

  it.each(['who=me', 'from=yesterday', 'action=%00', 'source=%20', 'actor=%00', 'limit=0', 'cursor=x'])(
    'refuses ?%s',
    async (query) => {
      expect((await sender.fetch(`/audit?${query}`)).status).toBe(400);
    },
  );

  it('shows a key of one source only the entries of that source', async () => {
    const clinic = new Sender(server, 'a-clinic');
    await clinic.fetch('/patients/1');
    const as = await keyOf(server, 'clinic', 'a-clinic');

    const own = await clinic.get('/audit?limit=1000', as);

    expect([...new Set(own.items.map(({ source }: any) => source))]).toEqual(['a-clinic']);
    expect((await clinic.get(`/audit?source=${sender.source}`, as)).items).toEqual([]);
  });

  it('can be exported as CSV and NDJSON', async () => {
    const path = `/audit?source=${sender.source}&action=patients.read`;

    const csv = await (await sender.fetch(path, { headers: { Accept: 'text/csv' } })).text();
    const lines = await (await sender.fetch(path, { headers: { Accept: 'application/x-ndjson' } })).text();

    expect(csv.split('\n')[0]).toBe(
      'seq,at,actor,keyId,source,action,subject,items,address,requestId,outcome,status,hash',
    );
    expect(csv.trim().split('\n')).toHaveLength(3);
    expect(lines.trim().split('\n')).toHaveLength(2);
  });
});

describe('audit verify', () => {
  function verify(...parameters: string[]): Promise<Outcome> {
    return runCli(['audit', 'verify', ...parameters], { DATABASE_URL: server.databaseUrl });
  }

  it('prints the extent and the head of an intact log, and recognises the head later', async () => {
    await append(3);

    const { code, stdout } = await verify();

    const head = /head (\d+:[0-9a-f]{64})/.exec(stdout)?.[1] ?? '';
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/✓ \d+ entries are as they were written\.\n {2}\d+ of \S+ to /),
    ]);
    await append(3);
    expect(await verify('--expect', head)).toMatchObject({ code: 0 });
    expect(
      await verify(
        '--expect',
        head.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')),
      ),
    ).toMatchObject({
      code: 1,
      stdout: expect.stringContaining(`Entry ${head.split(':')[0]}: it is not the one that was expected`),
    });
    expect((await verify('--expect', 'x')).stderr).toContain('It looks like');
  });

  it('exits with 1 and names the first broken entry', async () => {
    const before = await append(3);
    await tamper(server, `update audit_entry set subject = null where seq > $1`, [before + 1]);

    const { code, stdout } = await verify('--json');

    expect([code, JSON.parse(stdout).broken]).toEqual([1, { seq: before + 2, what: 'it was changed' }]);
  });
});
