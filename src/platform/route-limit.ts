import { SetMetadata } from '@nestjs/common';
import type { Config } from './config.js';

/** Where a route says how often one caller may call it. */
export const ROUTE_LIMIT = 'counterpart:route-limit';

/** Settings that say how many calls of a route one caller may make in a minute. */
export type RouteLimit = keyof Pick<Config, 'TOP_PROVIDERS_PER_MINUTE'>;

/** Limits how often one caller may call a route: so many times a minute, over all instances, as the setting says. */
export const LimitedBy = (setting: RouteLimit) => SetMetadata(ROUTE_LIMIT, setting);
