import { SetMetadata } from '@nestjs/common';
import type { Scope } from './caller.js';

/** The metadata key of what a route, or its controller, requires of callers. */
export const WANTS = 'counterpart:wants';

/** What a route requires: a scope, `any` key, or nothing at all (`public`). */
export type Want = Scope | 'any' | 'public';

/** Declares what callers of a route, or of all routes of a controller, need. A route that declares nothing refuses all callers. */
export const Wants = (want: Want) => SetMetadata(WANTS, want);
