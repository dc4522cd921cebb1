import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import type { Request } from 'express';
import { Refusal } from './refusal.js';

/**
 * Refuses query parameters on routes that take none: an unknown parameter is a 400, never ignored. Routes that take some
 * have a DTO, whose validation refuses unknown ones.
 */
@Injectable()
export class QueryGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const names = Object.keys(context.switchToHttp().getRequest<Request>().query);
    const taker = takerOfQuery(context.getClass(), context.getHandler().name);
    // Where no DTO takes it, the handler looks at every name itself.
    const unknown = taker === null ? names[0] : taker === Object ? undefined : names.find(isInherited);
    if (unknown === undefined) return true;
    throw Refusal.parameter(unknown, 'This query parameter does not exist.', 'unknown_parameter');
  }
}

/** Names that every object inherits, such as `constructor`: the validation of DTOs drops or overlooks them. */
function isInherited(name: string): boolean {
  return name in {} || name === 'prototype';
}

/** The type that takes the query of a handler: a DTO, or `Object` for what is no class; null if it takes none. */
function takerOfQuery(controller: { prototype: object }, method: string): unknown {
  const args = (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, method) ?? {}) as Record<
    string,
    { index: number }
  >;
  const found = Object.entries(args).find(([key]) => key.startsWith(`${RouteParamtypes.QUERY}:`));
  if (!found) return null;
  const types = (Reflect.getMetadata('design:paramtypes', controller.prototype, method) ?? []) as unknown[];
  return types[found[1].index] ?? Object;
}
