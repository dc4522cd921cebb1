import { type ArgumentMetadata, type PipeTransform, ValidationPipe, type ValidationError } from '@nestjs/common';
import { instanceToPlain, plainToInstance } from 'class-transformer';
import { validate } from 'class-validator';
import type { Config } from '../settings/config.js';
import { PageQuery } from './paging.js';
import { pointerTo, Refusal, type ProblemDetail, shownName } from './refusal.js';

/** class-validator's name for the rule that refuses properties that the DTO does not have. */
const UNKNOWN = 'whitelistValidation';

/** A value of the wrong type breaks every other rule too: only the first of a property's faults in this order is reported. */
const REPORT_ORDER = [UNKNOWN, 'isDefined', 'isString', 'isInt', 'isNumber', 'isBoolean', 'isArray', 'isIn', 'matches'];

function rank(rule: string): number {
  const place = REPORT_ORDER.indexOf(rule);
  return place === -1 ? REPORT_ORDER.length : place;
}

/** How a fault is reported, by where the property came from. */
interface Wording {
  /** Its place, in the terms of RFC 9457. */
  place: (property: string) => Pick<ProblemDetail, 'pointer' | 'parameter'>;
  invalid: string;
  unknown: string;
  unknownDetail: string;
}

const QUERY: Wording = {
  place: (property) => ({ parameter: shownName(property) }),
  invalid: 'invalid_parameter',
  unknown: 'unknown_parameter',
  unknownDetail: 'This query parameter does not exist.',
};

const BODY: Wording = {
  place: (property) => ({ pointer: pointerTo(property) }),
  invalid: 'invalid_field',
  unknown: 'unknown_field',
  unknownDetail: 'This field does not exist.',
};

/** Checks the DTOs of queries and of JSON bodies: every fault is reported, an unknown property is a fault. */
export function requestValidation({ MAX_PAGE_SIZE }: Config): PipeTransform {
  const query = validationWith(QUERY);
  const body = validationWith(BODY);
  return {
    async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
      const checked: unknown = await (metadata.type === 'body' ? body : query).transform(value, metadata);
      if (checked instanceof PageQuery) boundPage(checked, MAX_PAGE_SIZE, Object.hasOwn(value as object, 'limit'));
      return checked;
    },
  };
}

/** The settings may limit pages below the API's maximum. @throws Refusal 400 if the caller asks for a larger page */
function boundPage(query: PageQuery, maxItems: number, isAsked: boolean): void {
  if (query.limit <= maxItems) return;
  if (isAsked) throw Refusal.parameter('limit', `must not be greater than ${maxItems}`);
  query.limit = maxItems;
}

function validationWith(wording: Wording): ValidationPipe {
  return new ValidationPipe({
    // Nest would import both packages whole, and a bundler could not leave out what is not used. Without class-validator's
    // `getMetadataStorage` it does not look for binary values in nested objects, which JSON cannot hold.
    validatorPackage: { validate },
    transformerPackage: { classToPlain: instanceToPlain, plainToInstance },
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    exceptionFactory: (errors) => toRefusal(errors, wording),
  });
}

function toRefusal(errors: ValidationError[], wording: Wording): Refusal {
  const details = errors.flatMap((error): ProblemDetail[] => {
    const [fault] = Object.entries(error.constraints ?? {}).toSorted(([one], [other]) => rank(one) - rank(other));
    if (!fault) return [];
    const [rule, message] = fault;
    return [
      {
        ...wording.place(error.property),
        code: rule === UNKNOWN ? wording.unknown : wording.invalid,
        // The validator's sentences begin with the property's name, which the place already has.
        detail: rule === UNKNOWN ? wording.unknownDetail : message.replace(`${error.property} `, ''),
      },
    ];
  });
  const [first] = details;
  const detail = first
    ? `${shownName(errors[0]?.property ?? '')}: ${first.detail}`
    : 'Something in the request is invalid.';
  return new Refusal(400, first?.code ?? wording.invalid, detail, { errors: details });
}
