import type { SearchParameter } from '@medplum/fhirtypes';
import { structureDefinition } from '../mappings/index.ts';
import { artefact } from './artefact.ts';
import { customId, type ServedType } from './search-table.ts';

const extensionValue = (element: string, extension: string, type: string) =>
  `${element}.extension.where(url = '${structureDefinition(extension)}').value.ofType(${type})`;

function searchParameter(
  base: ServedType,
  code: string,
  type: 'token' | 'date' | 'reference',
  expression: string,
  description: string,
  target?: SearchParameter['target'],
): SearchParameter {
  // R4 gives a SearchParameter no title.
  const { title: _, ...header } = artefact('SearchParameter', customId(base, code), '', description);
  return {
    ...header,
    name: `${base}-${code}`.replace(/(?:^|-)([a-zA-Z])/g, (_, letter: string) => letter.toUpperCase()),
    code,
    base: [base],
    type,
    expression,
    xpathUsage: 'normal',
    ...(target === undefined ? {} : { target }),
  } as SearchParameter;
}

/** Parameters of ours, for stores that index custom ones; every query has a form without them. Source: target-model 5, 6 */
export const searchParameters: readonly SearchParameter[] = [
  searchParameter(
    'ServiceRequest',
    'ers-state',
    'token',
    `ServiceRequest.extension.where(url = '${structureDefinition('ers-referral-state')}').extension.where(url = 'state').value.ofType(Coding)`,
    'The e-RS state of a referral (S-11).',
  ),
  searchParameter(
    'ServiceRequest',
    'ers-pathway-start',
    'date',
    extensionValue('ServiceRequest', 'ers-pathway-start', 'dateTime'),
    'When the e-RS pathway of a referral started: the RTT clock (S-21).',
  ),
  searchParameter(
    'ServiceRequest',
    'ers-priority',
    'token',
    extensionValue('ServiceRequest', 'ers-priority', 'Coding'),
    'The priority in e-RS, with TWO_WEEK_WAIT told from others.',
  ),
  searchParameter(
    'ServiceRequest',
    'supporting-info',
    'reference',
    'ServiceRequest.supportingInfo',
    'Attachments and related referrals (S-14).',
    ['DocumentReference', 'ServiceRequest'],
  ),
  searchParameter(
    'Task',
    'ers-service',
    'reference',
    extensionValue('Task', 'ers-service', 'Reference'),
    'The e-RS service that the review is asked of, whoever owns the Task (S-1).',
    ['HealthcareService'],
  ),
  searchParameter('Task', 'status-reason', 'token', 'Task.statusReason', 'Why the Task has its status.'),
  searchParameter('Task', 'due', 'date', 'Task.restriction.period', 'When e-RS expects the patient to be contacted.'),
  searchParameter(
    'DocumentReference',
    'ers-availability',
    'token',
    extensionValue('DocumentReference.content.attachment', 'ers-availability-status', 'Coding'),
    'Whether e-RS has checked the file (S-16).',
  ),
];
