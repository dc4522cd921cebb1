/** Events of jobs that have ended or wait for a decision. */
export const JOB_EVENTS = ['job.completed', 'job.failed', 'job.awaiting_approval'] as const;
export type JobEvent = (typeof JOB_EVENTS)[number];

/** Events of liquidity rules: a balance is on the other side of its line. */
const LIQUIDITY_EVENTS = ['liquidity.breached', 'liquidity.recovered'] as const;

/** The events that an endpoint may subscribe to. */
export const EVENTS = [...JOB_EVENTS, ...LIQUIDITY_EVENTS] as const;
export type SubscribedEvent = (typeof EVENTS)[number];

/** A `ping` is only sent on request. */
export type EventType = SubscribedEvent | 'ping';

/** The body of a request to an endpoint: `type`, `timestamp` and `data`, as Standard Webhooks defines them. */
export interface EventBody {
  type: EventType;
  timestamp: string;
  data: object;
}
