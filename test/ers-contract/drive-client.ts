import { Readable } from 'node:stream';
import type { ErsContext, Fate, UserSession } from '../../server/core/index.ts';
import type { WholeErsClient } from '../../server/ers/index.ts';
import { readFile } from '../ers/endpoints.ts';
import { startClient, ubrn } from '../ers/gateway.ts';
import type { FarSide } from '../simulator/far-side.ts';
import {
  cancellation,
  DIRECT,
  fileLink,
  INDIRECT,
  outcome,
  redirection,
  rejection,
  TRIAGE,
} from '../simulator/far-side.ts';

const WITH_FILE = { ...DIRECT, attachments: [{ title: 'letter.pdf', contentType: 'application/pdf' }] };
const UNATTENDED: ErsContext = { correlationId: 'c-1', priority: 'routine' };
type Call = (ers: WholeErsClient, context: ErsContext, side: FarSide) => Promise<Fate<unknown>>;
const fresh = async (ers: WholeErsClient, side: FarSide, wish: Record<string, unknown>) => {
  const id = ubrn(await side.create(wish));
  const fate = await ers.fetchReferral(id, UNATTENDED);
  if (fate.kind !== 'ok') throw new Error('The new referral cannot be read');
  return { ubrn: id, version: fate.value.version, source: JSON.stringify(fate.value.source) };
};
const binaryOf = (source: string): string => /Binary\/([\w-]+)/.exec(source)?.[1] ?? '';
const appointmentOf = (source: string): string => /"reference":"Appointment\/(\d+)/.exec(source)?.[1] ?? '';
const convertedOf = async (ers: WholeErsClient, side: FarSide) => {
  const { referrals } = (await side.control('GET', '/referrals')).json as { referrals: { ubrn: string }[] };
  for (const referral of referrals) {
    const advice = await ers.fetchAdviceRequest(ubrn(referral.ubrn), UNATTENDED);
    if (advice.kind === 'ok') return { ubrn: ubrn(referral.ubrn), version: advice.value.version };
  }
  throw new Error('The sample trust has no converted referral');
};
const upload = (ers: WholeErsClient, context: ErsContext, id: ReturnType<typeof ubrn>) =>
  ers.uploadFile(
    {
      ubrn: id,
      fileName: 'Advice, 1.pdf',
      contentType: 'application/pdf',
      size: 4,
      stream: Readable.from([Buffer.from('%PDF')]),
    },
    context,
  );

/** Every endpoint of the client, each called well on a referral of its own. */
const CALLS: Readonly<Record<string, Call>> = {
  A004: (ers, context) => ers.fetchCodeSystem('APPOINTMENT-CANCELLATION-REASON', context),
  A005: async (ers, context, side) => ers.fetchReferral((await fresh(ers, side, TRIAGE)).ubrn, context),
  A006: async (ers, context, side) =>
    readFile(await ers.downloadSmallAttachment(binaryOf((await fresh(ers, side, WITH_FILE)).source), context)),
  A007: async (ers, context, side) =>
    readFile(await ers.generateClinicalInformation((await fresh(ers, side, DIRECT)).ubrn, context)),
  A008: async (ers, context) => {
    await readFile(await ers.fetchWorklist({ service: '70104', list: 'APPOINTMENT_SLOT_ISSUES' }, context));
    return readFile(await ers.fetchWorklist({ service: '70101', list: 'REFERRALS_FOR_REVIEW' }, context));
  },
  A013: async (ers, context, side) =>
    ers.sendDecision({ operation: 'A013', ...(await fresh(ers, side, DIRECT)) }, context),
  A014: async (ers, context, side) => {
    const body = rejection('OTHER', 'Not for us', true) as object;
    return ers.sendDecision({ operation: 'A014', ...(await fresh(ers, side, INDIRECT)), body }, context);
  },
  A020: async (ers, context, side) => upload(ers, context, (await fresh(ers, side, DIRECT)).ubrn),
  A022: async (ers, context, side) => {
    const referral = await fresh(ers, side, DIRECT);
    const file = await upload(ers, context, referral.ubrn);
    const link = fileLink('providerAttachmentFile', file.kind === 'ok' ? file.value.url : '');
    return ers.sendDecision(
      { operation: 'A022', ...referral, body: redirection('Rebook', undefined, link) as object },
      context,
    );
  },
  A024: async (ers, context, side) => ers.fetchAdviceRequest((await convertedOf(ers, side)).ubrn, context),
  A025: async (ers, context, side) => {
    const { ubrn: id, version } = await convertedOf(ers, side);
    return ers.fetchConversation(id, version, context);
  },
  A028: async (ers, context, side) => {
    const body = outcome('RETURN_TO_REFERRER_WITH_ADVICE', 'Advice') as object;
    return ers.sendDecision({ operation: 'A028', ...(await fresh(ers, side, TRIAGE)), body }, context);
  },
  A029: async (ers, context, side) => {
    const { ubrn: id, version } = await fresh(ers, side, TRIAGE);
    return ers.fetchAvailableActions(id, version, context);
  },
  A030: (ers, context) => ers.fetchOwnRoles(context),
  A036: async (ers, context, side) =>
    ers.cancelReferral(
      { ...(await fresh(ers, side, DIRECT)), body: cancellation('PATIENT_DIED', 'Told by family') as object },
      context,
    ),
  A038: async (ers, context, side) =>
    ers.fetchAppointment(appointmentOf((await fresh(ers, side, DIRECT)).source), context),
  A040: (ers, context) => ers.fetchOnBehalfOf(context),
  A042: async (ers, context, side) =>
    readFile(await ers.downloadAttachment(binaryOf((await fresh(ers, side, WITH_FILE)).source), context)),
};

/** What became of each endpoint's call: unattended, by a clinician, and by an administrator who acts for one. */
export async function driveClient(side: FarSide): Promise<Record<string, string[]>> {
  const { baseUrl, tokenUrl, credentials } = side.simulator;
  const { ers } = startClient('', {
    baseUrl,
    tokenUrl,
    ...credentials,
    limits: { maxFileBytes: 1_000_000, maxJsonBytes: 10_000_000 },
  });
  const sessionOf = async (role: string, onBehalfOf?: string): Promise<UserSession> => {
    const { token } = await side.signIn({ roles: [role], ...(onBehalfOf !== undefined && { onBehalfOf }) });
    return { token, organisation: 'ZZ1', businessFunction: role, ...(onBehalfOf !== undefined && { onBehalfOf }) };
  };
  const contexts: ErsContext[] = [
    UNATTENDED,
    { ...UNATTENDED, session: await sessionOf('SERVICE_PROVIDER_CLINICIAN') },
    { ...UNATTENDED, session: await sessionOf('SERVICE_PROVIDER_CLINICIAN_ADMIN', '999000000042') },
  ];
  const became: Record<string, string[]> = {};
  for (const [id, call] of Object.entries(CALLS)) {
    became[id] = [];
    for (const context of contexts) {
      const fate = await call(ers, context, side);
      became[id].push(fate.kind === 'ok' ? 'ok' : fate.code);
    }
  }
  return became;
}
