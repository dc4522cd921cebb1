import { Sender } from '../http/sender.js';
import { until } from '../setup/test-server.js';

/** A source that has registered webhooks. */
export class WebhookOwner extends Sender {
  request(method: string, path: string, body?: unknown): Promise<Response> {
    const json =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
    return this.fetch(path, { method, ...json });
  }

  /** Registers an endpoint. @throws unless it was created */
  async register(url: string, more: Record<string, unknown> = {}): Promise<any> {
    return this.ok('POST', '/webhooks', { url, ...more });
  }

  async ok(method: string, path: string, body?: unknown): Promise<any> {
    const response = await this.request(method, path, body);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }

  async webhook(id: string): Promise<any> {
    return this.get(`/webhooks/${id}`);
  }

  async deliveries(id: string, query = ''): Promise<any[]> {
    return (await this.get(`/webhooks/${id}/deliveries?limit=1000${query}`)).items;
  }

  /** The newest delivery once it satisfies `isSo`. */
  async delivery(id: string, what: string, isSo: (delivery: any) => boolean): Promise<any> {
    let newest: any;
    await until(`the delivery is ${what}`, async () => {
      [newest] = await this.deliveries(id);
      return newest !== undefined && isSo(newest);
    });
    return newest;
  }

  /** The newest delivery once it has this status. */
  async settledAs(id: string, status: string): Promise<any> {
    return this.delivery(id, status, (delivery) => delivery.status === status);
  }
}
