import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString } from 'class-validator';
import { PageQuery } from '../../http/paging.js';

/** Which changes of a source to list. */
export class ListChanges extends PageQuery {
  @ApiPropertyOptional({
    description:
      'the nextCursor of the last answer, or "latest"; by default the feed begins with the oldest change that is kept',
  })
  @IsOptional()
  @IsString()
  after?: string;

  @ApiPropertyOptional({ example: 'patients', description: 'changes of this resource alone' })
  @IsOptional()
  @IsString()
  resource?: string;
}
