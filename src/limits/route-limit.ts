import { SetMetadata } from '@nestjs/common';
import type { Config } from '../settings/config.js';

/** The metadata key of a route's own limit. */
export const ROUTE_LIMIT = 'counterpart:route-limit';

/** Settings for how many calls of a route one caller may make in a minute. */
export type RouteLimit = keyof Pick<Config, 'TOP_PROVIDERS_PER_MINUTE'>;

/** Limits how often one caller may call a route: per minute, over all instances, by the given setting. */
export const LimitedBy = (setting: RouteLimit) => SetMetadata(ROUTE_LIMIT, setting);
