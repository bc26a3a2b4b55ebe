import { Agent, type Dispatcher } from 'undici';
import type {
  Audit,
  Budget,
  Clock,
  DecisionOperation,
  ErsClient,
  ErsContext,
  ErsFile,
  ErsReferral,
  Fate,
  Log,
  Ubrn,
} from '../core/index.ts';
import { fetchCodeSystem } from './a004-fetch-code-system.ts';
import { fetchReferral } from './a005-fetch-referral.ts';
import { downloadSmallAttachment } from './a006-download-small-attachment.ts';
import { generateClinicalInformation } from './a007-generate-clinical-information.ts';
import { fetchWorklist } from './a008-fetch-worklist.ts';
import { acceptReferral } from './a013-accept-referral.ts';
import { rejectReferral } from './a014-reject-referral.ts';
import { uploadFile } from './a020-upload-file.ts';
import { cancelAppointmentActionLater } from './a022-cancel-appointment-action-later.ts';
import { fetchAdviceRequest } from './a024-fetch-advice-request.ts';
import { fetchConversation } from './a025-fetch-conversation.ts';
import { recordReviewOutcome } from './a028-record-review-outcome.ts';
import { fetchAvailableActions } from './a029-fetch-available-actions.ts';
import { fetchOwnRoles } from './a030-fetch-own-roles.ts';
import { cancelReferral } from './a036-cancel-referral.ts';
import { fetchAppointment } from './a038-fetch-appointment.ts';
import { fetchOnBehalfOf } from './a040-fetch-on-behalf-of.ts';
import { downloadAttachment } from './a042-download-attachment.ts';
import type { DecisionRequest } from './decision-call.ts';
import { exchangeIdToken } from './exchange-id-token.ts';
import { createErsHttp, DEFAULT_TIMEOUTS, type ErsHttp, type Limits, type Timeouts } from './http.ts';
import { type Credentials, createTokenSource } from './token.ts';

export interface ErsClientOptions extends Credentials {
  /** Up to and with `/FHIR`, no slash at the end. */
  readonly baseUrl: string;
  readonly budget: Budget;
  readonly clock: Clock;
  readonly log: Log;
  /** Is told of every request. */
  readonly audit?: Audit;
  readonly limits: Limits;
  readonly timeouts?: Partial<Timeouts>;
  /** Such as undici's EnvHttpProxyAgent; else connections of the client's own. */
  readonly dispatcher?: Dispatcher;
  /** Whether this process may call e-RS; asked at the last moment before each request is sent. Absent: it may. */
  readonly fence?: () => boolean;
}

/** The client, with the provider-side endpoints that no room uses yet. */
export interface WholeErsClient extends ErsClient {
  /** A006; at most 5 MB, from e-RS itself. */
  downloadSmallAttachment(binaryId: string, context: ErsContext): Promise<Fate<ErsFile>>;
  /** A024; `version` is the advice request's own. */
  fetchAdviceRequest(ubrn: Ubrn, context: ErsContext): Promise<Fate<ErsReferral>>;
  /** A025; a Bundle. */
  fetchConversation(ubrn: Ubrn, version: number, context: ErsContext): Promise<Fate<unknown>>;
  /** A036; cannot be undone. */
  cancelReferral(request: DecisionRequest & { body: object }, context: ErsContext): Promise<Fate<ErsReferral>>;
  /** A038; `version` is the appointment's own. */
  fetchAppointment(id: string, context: ErsContext): Promise<Fate<ErsReferral>>;
}

type SendDecision = (ers: ErsHttp, request: DecisionRequest, context: ErsContext) => Promise<Fate<ErsReferral>>;
const DECISIONS: Readonly<Record<DecisionOperation, SendDecision>> = {
  A013: acceptReferral,
  A014: rejectReferral,
  A022: cancelAppointmentActionLater,
  A028: recordReviewOutcome,
};

/** Makes the e-RS client of one application. Its calls resolve with a fate, and never reject. */
export function createErsClient(options: ErsClientOptions): WholeErsClient {
  const { baseUrl, budget, clock, log, limits } = options;
  // Without HTTP/2: whether a request was sent is then plain to see.
  const dispatcher = options.dispatcher ?? new Agent({ allowH2: false, connect: { timeout: 10_000 } });
  const wire = { dispatcher, clock, fence: options.fence };
  const tokens = createTokenSource(wire, options, log);
  const ers = createErsHttp({
    baseUrl,
    tokens,
    wire,
    budget,
    log,
    audit: options.audit,
    limits,
    timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
  });
  return {
    fetchCodeSystem: (type, context) => fetchCodeSystem(ers, type, context),
    fetchReferral: (ubrn, context) => fetchReferral(ers, ubrn, context),
    generateClinicalInformation: (ubrn, context) => generateClinicalInformation(ers, ubrn, context),
    fetchWorklist: (query, context) => fetchWorklist(ers, query, context),
    sendDecision: ({ operation, ...request }, context) => DECISIONS[operation](ers, request, context),
    uploadFile: (file, context) => uploadFile(ers, file, context),
    fetchAdviceRequest: (ubrn, context) => fetchAdviceRequest(ers, ubrn, context),
    fetchConversation: (ubrn, version, context) => fetchConversation(ers, ubrn, version, context),
    cancelReferral: (request, context) => cancelReferral(ers, request, context),
    fetchAppointment: (id, context) => fetchAppointment(ers, id, context),
    fetchAvailableActions: (ubrn, version, context) => fetchAvailableActions(ers, ubrn, version, context),
    exchangeIdToken: (idToken) => exchangeIdToken(wire, options, log, idToken),
    fetchOwnRoles: (context) => fetchOwnRoles(ers, context),
    fetchOnBehalfOf: (context) => fetchOnBehalfOf(ers, context),
    downloadSmallAttachment: (binaryId, context) => downloadSmallAttachment(ers, binaryId, context),
    downloadAttachment: (binaryId, context) => downloadAttachment(ers, binaryId, context),
  };
}
