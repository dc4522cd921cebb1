import { channel } from 'node:diagnostics_channel';

/** The channel on which tests observe the steps, to kill or pause the process between any two of them. */
const steps = channel('counterpart:step');

/** The places between two effects at which tests kill or pause a process. */
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
  | 'payments service notified'
  | 'notifications marked'
  | 'notification received'
  | 'payment settled'
  | 'payment failure recorded'
  | 'dead letter removed';

/** Notifies observers that the process is at this place. Without observers it costs nothing. */
export function atStep(step: Step): void {
  if (steps.hasSubscribers) steps.publish(step);
}
