import { SetMetadata } from '@nestjs/common';
import type { Scope } from './caller.js';

/** Where a route, or its controller, says what it wants of its callers. */
export const WANTS = 'counterpart:wants';

/** What a route wants: a scope, `any` key, or nothing at all (`public`). */
export type Want = Scope | 'any' | 'public';

/** Declares what callers of a route, or of all routes of a controller, need. A route that declares nothing lets nobody in. */
export const Wants = (want: Want) => SetMetadata(WANTS, want);
