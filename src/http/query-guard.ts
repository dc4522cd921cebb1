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
    const isTaken = takesQuery(context.getClass(), context.getHandler().name);
    const unknown = isTaken ? names.find(isInherited) : names[0];
    if (unknown === undefined) return true;
    throw Refusal.parameter(unknown, 'This query parameter does not exist.', 'unknown_parameter');
  }
}

/** Names that every object inherits, such as `constructor`: the validation of DTOs drops or overlooks them. */
function isInherited(name: string): boolean {
  return name in {} || name === 'prototype';
}

function takesQuery(controller: object, method: string): boolean {
  const args = Object.keys((Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, method) ?? {}) as object);
  return args.some((key) => key.startsWith(`${RouteParamtypes.QUERY}:`));
}
