import { applyDecorators, Get } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { Wants } from '../../http/wants.js';
import { Audited, subjectOf } from '../../audit/audited.js';
import type { Definition } from '../../definitions/definition.js';
import { ApiPage } from '../../http/api-page.js';
import { HistoryItem } from '../changes/change.dto.js';

/** `GET` of the history of a row of `resource`, with its documentation. The external id is `:externalId`. */
export function GetHistory(resource: Definition): MethodDecorator {
  return applyDecorators(
    Get(`${resource.name}/:externalId/history`),
    Wants('read'),
    Audited(`${resource.name}.history_read`, { subject: subjectOf(resource.name, 'externalId') }),
    ApiOperation({
      operationId: `history_${resource.name}`,
      summary: `The changes of one of the ${resource.name}, newest first`,
      description: 'Of live rows and of deleted ones. Changes that are older than their retention are not listed.',
    }),
    ApiPage(HistoryItem),
  );
}
