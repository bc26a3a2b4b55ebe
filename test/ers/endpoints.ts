import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ErsContext, Fate } from '../../server/core/index.ts';
import type { WholeErsClient } from '../../server/ers/index.ts';
import { type Answerer, ATTENDED, referral, saying, UBRN, UNATTENDED } from './gateway.ts';

export type Kind = 'read' | 'poll' | 'download' | 'upload' | 'write';

/** An endpoint as the tests drive it: a call, and an answer that is good. */
export interface Endpoint {
  readonly id: string;
  readonly kind: Kind;
  /** The mode in which the product calls it first of all. */
  readonly context: ErsContext;
  readonly good: Answerer;
  /** Makes the call; a file is read to its end. */
  run(ers: WholeErsClient, context?: ErsContext): Promise<Fate<unknown>>;
}

const PDF = { 'Content-Type': 'application/pdf' };

/** Reads a file's stream; a break in it is told by `broken`. */
export async function readFile(fate: Fate<{ stream: Readable; fileName?: string }>): Promise<Fate<unknown>> {
  if (fate.kind !== 'ok') return fate;
  const bytes = await buffer(fate.value.stream).catch(() => undefined);
  return { kind: 'ok', value: bytes === undefined ? 'broken' : bytes.toString('latin1') };
}

const decision = (id: 'A013' | 'A014' | 'A022' | 'A028', body?: object): Endpoint => ({
  id,
  kind: 'write',
  context: ATTENDED,
  good: saying(200, referral(9), { ETag: 'W/"9"' }),
  run: (ers, context = ATTENDED) =>
    ers.sendDecision({ operation: id, ubrn: UBRN, version: 8, ...(body && { body }) }, context),
});

export const ENDPOINTS: readonly Endpoint[] = [
  {
    id: 'A004',
    kind: 'read',
    context: UNATTENDED,
    good: saying(200, { resourceType: 'CodeSystem', concept: [] }),
    run: (ers, context = UNATTENDED) => ers.fetchCodeSystem('APPOINTMENT-CANCELLATION-REASON', context),
  },
  {
    id: 'A005',
    kind: 'read',
    context: UNATTENDED,
    good: saying(200, referral(8), { ETag: 'W/"8"' }),
    run: (ers, context = UNATTENDED) => ers.fetchReferral(UBRN, context),
  },
  {
    id: 'A006',
    kind: 'download',
    context: UNATTENDED,
    good: saying(200, 'a file', { 'Content-Type': 'text/rtf' }),
    run: async (ers, context = UNATTENDED) => readFile(await ers.downloadSmallAttachment('att-70000-70001', context)),
  },
  {
    id: 'A007',
    kind: 'download',
    context: UNATTENDED,
    good: saying(200, '%PDF-1.7 …', PDF),
    run: async (ers, context = UNATTENDED) => readFile(await ers.generateClinicalInformation(UBRN, context)),
  },
  {
    id: 'A008',
    kind: 'poll',
    context: UNATTENDED,
    good: saying(200, { resourceType: 'List', entry: [] }, { 'Content-Type': 'application/fhir+json' }),
    run: async (ers, context = UNATTENDED) =>
      readFile(await ers.fetchWorklist({ service: '70101', list: 'REFERRALS_FOR_REVIEW' }, context)),
  },
  decision('A013'),
  decision('A014', { resourceType: 'Parameters', parameter: [] }),
  {
    id: 'A020',
    kind: 'upload',
    context: ATTENDED,
    good: saying(201, '', { Location: 'Binary/19eb7224-dff3-4730-a5cb-67eac811f1a5' }),
    run: (ers, context = ATTENDED) =>
      ers.uploadFile(
        {
          ubrn: UBRN,
          fileName: 'advice.pdf',
          contentType: 'application/pdf',
          size: 4,
          stream: Readable.from([Buffer.from('%PDF')]),
        },
        context,
      ),
  },
  decision('A022', { resourceType: 'Parameters', parameter: [] }),
  {
    id: 'A024',
    kind: 'read',
    context: UNATTENDED,
    good: saying(200, { resourceType: 'CommunicationRequest', id: UBRN }, { ETag: 'W/"5"' }),
    run: (ers, context = UNATTENDED) => ers.fetchAdviceRequest(UBRN, context),
  },
  {
    id: 'A025',
    kind: 'read',
    context: UNATTENDED,
    good: saying(200, { resourceType: 'Bundle', entry: [] }),
    run: (ers, context = UNATTENDED) => ers.fetchConversation(UBRN, 5, context),
  },
  decision('A028', { resourceType: 'Parameters', parameter: [] }),
  {
    id: 'A029',
    kind: 'read',
    context: UNATTENDED,
    good: saying(200, {
      resourceType: 'Bundle',
      entry: [{ resource: { resourceType: 'Task', code: { coding: [{ code: 'RECORD_REVIEW_OUTCOME' }] } } }],
    }),
    run: (ers, context = UNATTENDED) => ers.fetchAvailableActions(UBRN, 8, context),
  },
  {
    id: 'A030',
    kind: 'read',
    context: ATTENDED,
    good: saying(200, {
      resourceType: 'Bundle',
      entry: [
        {
          resource: {
            practitioner: { identifier: { value: '999012345678' } },
            organization: { identifier: { value: 'ZZ1' } },
            code: [{ coding: [{ code: 'SERVICE_DEFINER' }] }, { coding: [{ code: 'SERVICE_PROVIDER_CLINICIAN' }] }],
          },
        },
      ],
    }),
    run: (ers, context = ATTENDED) => ers.fetchOwnRoles(context),
  },
  {
    id: 'A036',
    kind: 'write',
    context: ATTENDED,
    good: saying(200, {
      resourceType: 'Parameters',
      parameter: [{ name: 'updatedReferralRequest', resource: referral(9) }],
    }),
    run: (ers, context = ATTENDED) =>
      ers.cancelReferral({ ubrn: UBRN, version: 8, body: { resourceType: 'Parameters' } }, context),
  },
  {
    id: 'A038',
    kind: 'read',
    context: ATTENDED,
    good: saying(200, { resourceType: 'Appointment', id: '70000', meta: { versionId: '3' } }),
    run: (ers, context = ATTENDED) => ers.fetchAppointment('70000', context),
  },
  {
    id: 'A040',
    kind: 'read',
    context: ATTENDED,
    good: saying(200, {
      resourceType: 'Bundle',
      total: 1,
      entry: [{ resource: { identifier: { value: '999000000001' } } }],
    }),
    run: (ers, context = ATTENDED) => ers.fetchOnBehalfOf(context),
  },
  {
    id: 'A042',
    kind: 'download',
    context: UNATTENDED,
    good: (request, response) => {
      if (request.path.startsWith('/object')) saying(200, 'a file', { 'Content-Type': 'text/rtf' })(request, response);
      else saying(307, '', { Location: `http://${request.headers.host}/object?signature=1` })(request, response);
    },
    run: async (ers, context = UNATTENDED) =>
      readFile(await ers.downloadAttachment('c5d2d200-7613-4a69-9c5f-1bb68e04b8d8', context)),
  },
];
