import type { AlertCode, SyncRecord } from '../core/index.ts';

/** The sync record with what only landing asks of it. */
export interface LandedRecord extends SyncRecord {
  /** UBRNs that the referral names as related (M-13): whoever lands later is linked with those who name it. */
  readonly related?: readonly string[];
  /** A decision of the open review is queued or being sent: what complete lists say next of the referral counts (4.5). */
  readonly isUnderWay?: boolean;
  /** A029 has not said yet what may be done about it: it is asked again (T-10). */
  readonly isUnasked?: boolean;
}

/** The alerts that a landed referral deserves as it is; all others of these are cleared. */
export function standingAlerts(record: SyncRecord): readonly (readonly [AlertCode, boolean])[] {
  const attachments = Object.values(record.attachments);
  const isMissing = attachments.some(
    ({ availability, binaryId }) =>
      availability === 'UNKNOWN' || (availability === 'AVAILABLE' && binaryId === undefined),
  );
  return [
    ['attachment-unavailable', isMissing],
    ['summary-missing', record.summary?.refused !== undefined && record.summary.version === record.version],
  ];
}
