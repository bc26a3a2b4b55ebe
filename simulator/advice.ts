import { participantOf, priorityOf } from './referral-document.ts';
import { propose } from './transitions.ts';
import { codeSystem, profile, SYSTEM } from './wire.ts';
import type { AdviceRequest, Referral, World } from './world.ts';

const CARECONNECT_ROLE = 'https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect-PractitionerRole-1';

/**
 * Makes a referral one that was converted from advice and guidance: both keep the same UBRN.
 * Source: provider-api T12, 8
 */
export function convertFromAdvice(referral: Referral, world: World): void {
  const { resource } = referral;
  const comments = 'Synthetic review comment';
  const reason = {
    system: codeSystem('eRS-ReviewOutcome-1'),
    code: 'PROVIDER_CONVERTED_ADVICE_AND_GUIDANCE_ADMIN_TO_REFER',
    display: 'Provider Converted Advice and Guidance, Admin to Refer',
  };
  propose(referral, world.dice, 'TRIAGED_PROVIDER_TO_ACTION', { reason, comments });
  resource.supportingInfo = [...(resource.supportingInfo ?? []), { reference: `CommunicationRequest/${resource.id}` }];
  // Conversion leaves no pathway start [E]
  resource.extension = (resource.extension ?? []).filter(({ url }) => !url.includes('PathwayStart'));
  world.advice.set(resource.id, makeAdvice(referral, world));
}

function makeAdvice({ resource, receivedAt }: Referral, world: World): AdviceRequest {
  const { dice } = world;
  const ubrn = resource.id;
  const version = '4';
  const { odsCode } = world.application;
  const referrer = practitionerRole('999000000001', 'Z99001', 'REFERRING_CLINICIAN');
  const specialist = practitionerRole('999000000002', odsCode, 'SERVICE_PROVIDER_CLINICIAN');
  const roleOf = (id: string, isLocal = false): unknown => ({
    extension: [
      {
        url: profile('Extension-PractitionerRole-Reference-1'),
        valueReference: { reference: `${isLocal ? '#PractitionerRole.' : 'PractitionerRole/'}${id}` },
      },
    ],
  });
  const service = participantOf(resource, SYSTEM.service);
  const serviceExtension = {
    url: profile('Extension-HealthcareService-Reference-1'),
    valueReference: { identifier: { system: SYSTEM.service, value: service.value } },
  };
  const message = (from: 'REQUESTER' | 'RESPONDER', sent: string, text: string): AdviceRequest['messages'][number] => {
    const isRequest = from === 'REQUESTER';
    return {
      id: String(dice.integer(100_000, 999_999)),
      meta: { profile: [profile('eRS-Communication-1')] },
      resourceType: 'Communication',
      extension: [
        {
          url: profile('Extension-Communication-Requester-1'),
          valueReference: { reference: `PractitionerRole/${referrer.id}` },
        },
      ],
      basedOn: [{ reference: `CommunicationRequest/${ubrn}/_history/${version}` }],
      status: 'completed',
      category: [{ coding: [{ system: codeSystem('eRS-CommunicationSentBy-1'), code: from }] }],
      recipient: [
        isRequest ? { extension: [serviceExtension] } : { identifier: { system: SYSTEM.ods, value: 'Z99001' } },
      ],
      sent,
      sender: roleOf(isRequest ? referrer.id : specialist.id),
      note: [{ text }],
    };
  };
  const answered = new Date(new Date(receivedAt).getTime() + 3_600_000).toISOString();
  return {
    ubrn,
    resource: {
      id: ubrn,
      meta: { versionId: version, profile: [profile('eRS-CommunicationRequest-1')] },
      resourceType: 'CommunicationRequest',
      extension: [
        {
          url: profile('Extension-eRS-ReferralPriority-1'),
          valueCodeableConcept: { coding: [{ system: codeSystem('eRS-Priority-1'), code: priorityOf(resource) }] },
        },
        { url: profile('Extension-eRS-ReferralShortlist-1'), valueReference: { reference: '#shortlist' } },
        {
          url: profile('Extension-eRS-Specialty-1'),
          valueCoding: resource.specialty?.coding?.[0],
        },
        {
          url: profile('Extension-eRS-ProviderConversionAuthorisation-1'),
          valueCoding: {
            system: codeSystem('eRS-ProviderConversionAuthorisation-1'),
            code: 'AUTHORISED_TO_CONVERT',
            display: 'Authorised to Convert',
          },
        },
      ],
      contained: [
        ...(resource.contained ?? []).filter(({ id }) => id === 'serviceSearchCriteria' || id === 'shortlist'),
        { ...referrer, id: `PractitionerRole.${referrer.id}` },
      ],
      identifier: [{ system: SYSTEM.request, value: `a.${dice.uuid()}` }],
      status: 'active',
      category: [
        {
          coding: [
            {
              system: codeSystem('eRS-AdviceAndGuidanceStatus-1'),
              code: 'ADVICE_CONVERTED',
              display: 'Advice Converted',
            },
          ],
        },
      ],
      subject: resource.subject,
      recipient: [{ extension: [serviceExtension] }],
      sender: roleOf(referrer.id, true),
      requester: { agent: roleOf(referrer.id, true) },
    },
    messages: [
      message('REQUESTER', receivedAt, 'Synthetic question to the specialist.'),
      message(
        'RESPONDER',
        answered,
        'Synthetic answer. See <a href="https://example.org" target="_blank">guidance</a>.',
      ),
    ],
    includes: [referrer, specialist],
  };
}

const practitionerRole = (sdsUserId: string, odsCode: string, role: string): AdviceRequest['includes'][number] => ({
  id: `${sdsUserId}.${odsCode}.${role.replaceAll('_', '-')}`,
  meta: { profile: [CARECONNECT_ROLE] },
  resourceType: 'PractitionerRole',
  practitioner: { identifier: { system: SYSTEM.sdsUser, value: sdsUserId } },
  organization: { identifier: { system: SYSTEM.ods, value: odsCode } },
  code: [{ coding: [{ system: codeSystem('eRS-BusinessFunction-1'), code: role }] }],
});
