import type { IncomingHttpHeaders } from 'node:http';
import { parseOdsCode } from '../../mappings/index.ts';
import { CLINICIAN, CLINICIAN_ADMIN, REVIEWER_ROLES, type UserSession } from '../core/index.ts';
import type { Refusal } from './answer.ts';
import { refuse } from './outcome.ts';

/**
 * Reads the clinician's e-RS session that a request carries, if any. It goes to the engine and nowhere else: never into
 * the store, a log line or an error.
 * Issues: parameter-invalid, naming the header
 * Source: target-model 4.7; provider-api, headers
 */
export function readSession(headers: IncomingHttpHeaders): { session: UserSession | undefined } | Refusal {
  const header = (name: string) => {
    const value = headers[name.toLowerCase()];
    return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
  };
  const authorization = header('NHSD-User-Authorization');
  if (authorization === undefined) return { session: undefined };
  const token = /^Bearer ([A-Za-z0-9._~+/=-]+)$/i.exec(authorization)?.[1];
  if (token === undefined) return fault('NHSD-User-Authorization is "Bearer" and the e-RS user token.');
  const organisation = parseOdsCode(header('NHSD-End-User-Organisation-ODS'));
  if (organisation === undefined)
    return fault("NHSD-End-User-Organisation-ODS is the ODS code of the user's organisation.");
  const businessFunction = header('NHSD-eRS-Business-Function');
  if (businessFunction === undefined || !REVIEWER_ROLES.includes(businessFunction)) {
    return fault(`NHSD-eRS-Business-Function is ${CLINICIAN} or ${CLINICIAN_ADMIN}.`);
  }
  const onBehalfOf = header('NHSD-eRS-On-Behalf-Of-User-ID');
  const isNeeded = businessFunction === CLINICIAN_ADMIN;
  const isSound = onBehalfOf === undefined ? !isNeeded : isNeeded && /^\d{1,20}$/.test(onBehalfOf);
  if (!isSound) {
    return fault(
      `NHSD-eRS-On-Behalf-Of-User-ID is the SDS user id of the clinician acted for: with ${CLINICIAN_ADMIN}, and only then.`,
    );
  }
  return { session: { token, organisation, businessFunction, ...(onBehalfOf === undefined ? {} : { onBehalfOf }) } };
}

const fault = (text: string) => refuse('parameter-invalid', { text });
