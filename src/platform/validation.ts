import { ValidationPipe, type ValidationError } from '@nestjs/common';
import { Refusal, type ProblemDetail } from './refusal.js';

/** What class-validator calls the refusal of a property that the DTO does not have. */
const UNKNOWN = 'whitelistValidation';

/** Checks query DTOs: every fault is named, an unknown parameter is a fault. */
export function queryValidation(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    exceptionFactory: (errors) => toRefusal(errors),
  });
}

function toRefusal(errors: ValidationError[]): Refusal {
  const details = errors.flatMap((error): ProblemDetail[] =>
    Object.entries(error.constraints ?? {}).map(([rule, message]) => ({
      parameter: error.property,
      code: rule === UNKNOWN ? 'unknown_parameter' : 'invalid_parameter',
      // The validator's sentences begin with the name, which is told beside them.
      detail: rule === UNKNOWN ? 'There is no such query parameter here.' : message.replace(`${error.property} `, ''),
    })),
  );
  const [first] = details;
  const detail = first ? `${first.parameter}: ${first.detail}` : 'Some query parameters cannot be taken.';
  return new Refusal(400, first?.code ?? 'invalid_parameter', detail, { errors: details });
}
