import { type ArgumentMetadata, type PipeTransform, ValidationPipe, type ValidationError } from '@nestjs/common';
import type { Config } from './config.js';
import { PageQuery } from './paging.js';
import { pointerTo, Refusal, type ProblemDetail, shownName } from './refusal.js';

/** What class-validator calls the refusal of a property that the DTO does not have. */
const UNKNOWN = 'whitelistValidation';

/** What is of the wrong kind breaks every other rule besides: of a property's faults the first of these is told. */
const FIRST_TOLD = [UNKNOWN, 'isDefined', 'isString', 'isInt', 'isNumber', 'isBoolean', 'isArray', 'isIn', 'matches'];

function rank(rule: string): number {
  const place = FIRST_TOLD.indexOf(rule);
  return place === -1 ? FIRST_TOLD.length : place;
}

/** How a fault is told, by where the property came from. */
interface Wording {
  /** Where it is, in the terms of RFC 9457. */
  place: (property: string) => Pick<ProblemDetail, 'pointer' | 'parameter'>;
  invalid: string;
  unknown: string;
  unknownDetail: string;
}

const QUERY: Wording = {
  place: (property) => ({ parameter: shownName(property) }),
  invalid: 'invalid_parameter',
  unknown: 'unknown_parameter',
  unknownDetail: 'There is no such query parameter here.',
};

const BODY: Wording = {
  place: (property) => ({ pointer: pointerTo(property) }),
  invalid: 'invalid_field',
  unknown: 'unknown_field',
  unknownDetail: 'There is no such field here.',
};

/** Checks the DTOs of queries and of JSON bodies: every fault is named, an unknown property is a fault. */
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

/** The settings may want pages smaller than the contract's. @throws Refusal 400 if the caller wants a larger one */
function boundPage(query: PageQuery, maxItems: number, isAsked: boolean): void {
  if (query.limit <= maxItems) return;
  if (isAsked) throw Refusal.parameter('limit', `must not be greater than ${maxItems}`);
  query.limit = maxItems;
}

function validationWith(wording: Wording): ValidationPipe {
  return new ValidationPipe({
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
        // The validator's sentences begin with the name, which is told beside them.
        detail: rule === UNKNOWN ? wording.unknownDetail : message.replace(`${error.property} `, ''),
      },
    ];
  });
  const [first] = details;
  const detail = first
    ? `${shownName(errors[0]?.property ?? '')}: ${first.detail}`
    : 'Something in the request cannot be taken.';
  return new Refusal(400, first?.code ?? wording.invalid, detail, { errors: details });
}
