import type { Endpoint } from '../endpoint.ts';
import type { ObjectStore } from '../object-store.ts';
import { retrieveReferenceData } from './a004-retrieve-reference-data.ts';
import { retrieveReferral } from './a005-retrieve-referral.ts';
import { retrieveSmallAttachment } from './a006-retrieve-attachment.ts';
import { retrieveClinicalInformation } from './a007-retrieve-clinical-information.ts';
import { retrieveWorklist } from './a008-retrieve-worklist.ts';
import { acceptReferral } from './a013-accept-referral.ts';
import { rejectReferral } from './a014-reject-referral.ts';
import { uploadFile } from './a020-upload-file.ts';
import { cancelAppointmentActionLater } from './a022-cancel-appointment-action-later.ts';
import { retrieveAdvice } from './a024-retrieve-advice.ts';
import { retrieveConversation } from './a025-retrieve-conversation.ts';
import { recordTriageOutcome } from './a028-record-triage-outcome.ts';
import { availableActions } from './a029-available-actions.ts';
import { retrieveBusinessFunctions } from './a030-retrieve-business-functions.ts';
import { cancelReferral } from './a036-cancel-referral.ts';
import { retrieveAppointment } from './a038-retrieve-appointment.ts';
import { retrieveOnBehalfOf } from './a040-retrieve-on-behalf-of.ts';
import { retrieveAttachment } from './a042-retrieve-attachment.ts';

export { polledService } from './a008-retrieve-worklist.ts';

/** Every endpoint of the pretend e-RS. Source: provider-api 1.3. */
export const makeEndpoints = (objectStore: ObjectStore): Endpoint[] => [
  retrieveReferenceData,
  retrieveReferral,
  retrieveSmallAttachment,
  retrieveClinicalInformation,
  retrieveWorklist,
  acceptReferral,
  rejectReferral,
  uploadFile,
  cancelAppointmentActionLater,
  retrieveAdvice,
  retrieveConversation,
  recordTriageOutcome,
  availableActions,
  retrieveBusinessFunctions,
  cancelReferral,
  retrieveAppointment,
  retrieveOnBehalfOf,
  retrieveAttachment(objectStore),
];
