/** How much is made for each name of a size. */
export const SIZES = {
  small: { companies: 100, sepa: 1_000, swift: 10_000 },
  medium: { companies: 1_000, sepa: 100_000, swift: 1_000_000 },
  large: { companies: 10_000, sepa: 1_000_000, swift: 10_000_000 },
  mega: { companies: 100_000, sepa: 10_000_000, swift: 100_000_000 },
} as const;

export type SizeName = keyof typeof SIZES;

/** How many of each there are. */
export interface Amounts {
  companies: number;
  sepa: number;
  swift: number;
}

/** The two kinds of transactions. */
export const RAILS = ['sepa', 'swift'] as const;

export type Rail = (typeof RAILS)[number];

/** How many rows of one kind of transactions are dirty, and how. */
export interface DirtyQuota {
  /** Rows that belong to a batch payment. */
  batch: number;
  /** Rows that are there a second time; each counts its second copy only. */
  duplicate: number;
  /** Rows with a payer or a beneficiary whose IBAN is in no country. */
  invalidIban: number;
  /** Rows without a currency, or with one that does not exist. */
  noCurrency: number;
}

/** The shares of dirty rows: batches and invalid IBANs 1 % each, copies and missing currencies 0.1 % each. */
export function dirtyQuota(rail: Rail, rows: number): DirtyQuota {
  const [percent, perMille] = [Math.round(rows / 100), Math.round(rows / 1000)];
  const isSwift = rail === 'swift';
  return {
    batch: percent,
    duplicate: perMille,
    invalidIban: isSwift ? percent : 0,
    noCurrency: isSwift ? perMille : 0,
  };
}
