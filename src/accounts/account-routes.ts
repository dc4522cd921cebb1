import { applyDecorators, type Type } from '@nestjs/common';
import { ApiExtraModels, ApiHeader, ApiOperation, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { MAX_KEY_CHARACTERS } from '../http/idempotency-key.js';
import { Wants } from '../http/wants.js';
import { AccountProblem } from './account-view.js';

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  required: false,
  description: 'sending the same request again with it has no second effect and returns the first answer',
  schema: { type: 'string', minLength: 1, maxLength: MAX_KEY_CHARACTERS },
};

/** What can be wrong, for the OpenAPI document. */
const PROBLEMS = {
  400: 'something in the request is invalid; for a sum `error` is `transaction sum is invalid`',
  404: '`error` is `account does not exist`',
  409: '`error` is `insufficient funds`',
  422: 'the Idempotency-Key was used for another request',
  503: 'nothing was done; or, with the code `outcome_unknown`, it is not known whether it was',
};

type Problem = keyof typeof PROBLEMS;

/** A route that changes the ledger: its scope and its description in the OpenAPI document. */
export function ChangesLedger(summary: string, answer: { status: number; type: Type; problems: readonly Problem[] }) {
  const { status, type, problems } = answer;
  return applyDecorators(
    Wants('submit'),
    ApiOperation({ summary }),
    ApiHeader(IDEMPOTENCY_KEY),
    ApiResponse({ status, type }),
    ...problems.map(apiProblem),
    ApiExtraModels(AccountProblem),
  );
}

/** A route that reads the ledger. */
export function ReadsLedger(summary: string) {
  const problems: Problem[] = [400, 404, 503];
  return applyDecorators(
    Wants('read'),
    ApiOperation({ summary }),
    ...problems.map(apiProblem),
    ApiExtraModels(AccountProblem),
  );
}

function apiProblem(status: Problem): MethodDecorator {
  const schema = { $ref: getSchemaPath(AccountProblem) };
  return ApiResponse({
    status,
    description: PROBLEMS[status],
    content: { 'application/problem+json': { schema } },
  });
}
