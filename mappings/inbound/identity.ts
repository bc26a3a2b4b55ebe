import { hasValidCheckDigit, parseNhsNumber, parseUbrn, SYSTEM, type Ubrn } from '../ids.ts';
import { requestIdWithoutOne } from '../keys.ts';
import { normaliseSystem } from '../tables/code-systems.ts';
import type { Findings } from './elements.ts';
import type { ReferralIdentity } from './service-request.ts';
import type { Source } from './source.ts';

/** Reads what a referral is keyed by (M-1..M-3, M-11); undefined when the referral must be quarantined (G-1). */
export function readIdentity(source: Source, findings: Findings): ReferralIdentity | undefined {
  const isReferral = source.get('resourceType').peek() === 'ReferralRequest';
  const ubrn = parseUbrn(source.get('id').peek());
  const version = source.get('meta').get('versionId').unsigned();
  const subject = source.first('subject').first('identifier');
  const system = subject.get('system').peek();
  const isNhsNumber = system === undefined || normaliseSystem(system).system === SYSTEM.nhsNumber;
  const nhsNumber = isNhsNumber ? parseNhsNumber(subject.get('value').peek()) : undefined;
  const missing = {
    resourceType: !isReferral,
    id: !ubrn,
    'meta.versionId': version === undefined,
    'subject.identifier': !nhsNumber,
  };
  for (const [path, isMissing] of Object.entries(missing))
    if (isMissing) findings.add('REQUIRED_ELEMENT_MISSING', `${source.at}.${path}`);
  if (!isReferral || !ubrn || version === undefined || !nhsNumber) return undefined;
  source.get('id').taken();
  subject.get('value').taken();
  subject.get('system').taken();
  if (!hasValidCheckDigit(nhsNumber)) findings.add('NHS_NUMBER_CHECK_DIGIT', subject.get('value').at);
  return { ubrn, requestId: readRequestId(source, ubrn, findings), version, nhsNumber };
}

function readRequestId(source: Source, ubrn: Ubrn, findings: Findings): string {
  const own = source
    .get('identifier')
    .items()
    .find((one) => one.get('system').peek() === SYSTEM.requestId && /^\S+$/.test(one.get('value').peek() ?? ''));
  const requestId = own?.get('value').uri();
  own?.get('system').taken();
  if (requestId === undefined) findings.add('REQUEST_ID_MISSING', source.get('identifier').at);
  return requestId ?? requestIdWithoutOne(ubrn);
}
