import { randomBytes } from 'node:crypto';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import type { TestServer } from '../setup/test-server.js';

/** An external system with its own source, so that tests share a server but no rows. */
export class Sender {
  constructor(
    private readonly server: TestServer,
    readonly source = `s-${randomBytes(5).toString('hex')}`,
  ) {}

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return this.server.fetch(path, { ...init, headers: { 'X-Source': this.source, ...init.headers } });
  }

  async get<T = any>(path: string, headers: Record<string, string> = {}): Promise<T> {
    const response = await this.fetch(path, { headers });
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  /** Sends a snapshot, JSON unless the headers say otherwise. @returns the raw response */
  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.server.submit(path, body, { 'X-Source': this.source, ...headers });
  }

  /** Sends a snapshot and waits until its job has ended or waits for approval. */
  mirror(path: string, body: unknown, headers: Record<string, string> = {}): Promise<JobView> {
    return this.server.mirror(path, body, { 'X-Source': this.source, ...headers });
  }

  /** `POST /sync/jobs/{id}/{verb}`. */
  decide(id: string, verb: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.fetch(`/sync/jobs/${id}/${verb}`, { method: 'POST', headers });
  }

  /** The job once it has ended or waits for approval. */
  settled(id: string): Promise<JobView> {
    return this.get(`/sync/jobs/${id}`, { Prefer: 'wait=20' });
  }

  async jobs(): Promise<JobView[]> {
    return (await this.get('/sync/jobs?limit=1000')).items;
  }

  async patientIds(): Promise<string[]> {
    return (await this.get('/patients?limit=1000')).items.map((patient: { externalId: string }) => patient.externalId);
  }

  /** How many snapshots are stored for this source, complete or not. */
  async storedSnapshots(): Promise<number> {
    const [row] = await this.server.query(
      'select count(*)::int as stored from snapshot s join source on source.id = source_id where name = $1',
      [this.source],
    );
    return row.stored;
  }
}

/** A valid patient. */
export function aPatient(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { externalId: '1', firstName: 'Rick', lastName: 'Deckard', ...fields };
}

/** `count` valid patients with the external ids 1, 2, 3… */
export function somePatients(count: number): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, index) => aPatient({ externalId: String(index + 1) }));
}

/** A valid payment of patient 1. */
export function aPayment(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { externalId: '1', patientId: '1', amount: '1.00', ...fields };
}
