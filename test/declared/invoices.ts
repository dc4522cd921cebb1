import type { TestServer } from '../setup/test-server.js';

/** Parents, and their children, with a list of every kind. */
export const customers = { name: 'customers', key: 'no', fields: { no: 'text(40)', name: 'text' } };

export const invoices = {
  name: 'invoices',
  key: 'number',
  fields: {
    number: 'text(40)',
    customer: 'text',
    payer: 'text?',
    issued: 'date',
    amount: 'decimal(15,4)',
    paid: 'boolean',
    note: 'text?',
  },
  parents: {
    customer: {
      resource: 'customers',
      by: 'customer',
      totals: { invoicesTotal: 'sum(amount)', invoicesCount: 'count' },
    },
  },
  window: 'issued',
  list: { filter: ['customer', 'paid'], range: ['issued', 'amount'], search: ['note'], sort: ['-amount'] },
};

/** Records that are good for every definition of invoices here. */
export const anInvoice = (number: string, customer: string) => ({
  number,
  customer,
  payer: 'c1',
  issued: '2026-01-15',
  due: '2026-02-01',
  amount: 5,
  paid: true,
  note: `note of ${number}`,
});

export const twoCustomers = [
  { no: 'c1', name: 'Acme' },
  { no: 'c2', name: 'Bolt' },
];
export const twoInvoices = [anInvoice('1', 'c1'), anInvoice('2', 'c2')];

export async function mirrorAll(server: TestServer): Promise<void> {
  await server.mirror('/customers', twoCustomers);
  await server.mirror('/invoices', twoInvoices);
}

/** External ids, in the order of the list. */
export async function listed(server: TestServer, path: string): Promise<string[]> {
  const { items } = await server.get(path);
  return items.map(({ externalId }: { externalId: string }) => externalId);
}

/** Customers with their totals. */
export async function totals(server: TestServer): Promise<unknown[]> {
  const { items } = await server.get('/customers');
  return items.map(({ externalId, invoicesTotal, invoicesCount }: any) => [externalId, invoicesTotal, invoicesCount]);
}
