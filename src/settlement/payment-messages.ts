/** The names of the payments service's queues in BullMQ. */
export const PAYMENT_QUEUES = {
  /** What the payments service is told. */
  notifications: 'claim-payments',
  /** What it could not settle: nobody works on these, they wait for somebody to look. */
  deadLetters: 'claim-payments-dead-letter',
} as const;

/** What the payments service is told of a claim. The rest stands in the table. */
export interface PaymentMessage {
  claimId: string;
  sourceId: number;
  round: number;
}

/** What is told of a claim whose payment has failed. */
export interface DeadLetter {
  claimId: string;
  sourceId: number;
  reason: string;
  attempts: number;
}
