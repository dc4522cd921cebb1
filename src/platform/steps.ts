import { channel } from 'node:diagnostics_channel';

/** Where observers of the steps listen: the tests, to end or pause the process between any two of them. */
const steps = channel('counterpart:step');

/** The places between two effects at which a process may die. */
export type Step =
  | 'snapshot committed'
  | 'job notification sent'
  | 'job notification received'
  | 'job taken'
  | 'staging begun'
  | 'batch staged'
  | 'all staged'
  | 'difference applied'
  | 'job concluded'
  | 'effect committed'
  | 'job notification handled'
  | 'notifications taken'
  | 'payments service told'
  | 'notifications marked'
  | 'notification received'
  | 'payment settled'
  | 'payment failure noted'
  | 'dead letter removed';

/** Tells observers that the process is at this place. Without any it costs nothing. */
export function atStep(step: Step): void {
  if (steps.hasSubscribers) steps.publish(step);
}
