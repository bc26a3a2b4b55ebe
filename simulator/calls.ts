/** One e-RS request as it was received, and what became of it. */
export interface CallRecord {
  seq: number;
  at: string;
  endpoint: string;
  method: string;
  path: string;
  /** 0 when no answer was made; for a lost answer, the status that was lost. */
  status: number;
  ubrn?: string;
  ifMatch?: string;
  mode?: 'application' | 'user';
  correlationId?: string;
  /** The fault that struck, if any. */
  fault?: string;
  requestBody?: string | undefined;
  answerBody?: string | undefined;
}

/** Every e-RS request in order of arrival. */
export interface Calls {
  begin(record: Omit<CallRecord, 'seq'>): CallRecord;
  after(seq: number, hasBodies: boolean): Omit<CallRecord, 'requestBody' | 'answerBody'>[];
}

export function createCalls(): Calls {
  const records: CallRecord[] = [];
  return {
    begin(record) {
      const whole = { seq: records.length + 1, ...record };
      records.push(whole);
      return whole;
    },
    after: (seq, hasBodies) =>
      records.slice(seq).map(({ requestBody, answerBody, ...rest }) => ({
        ...rest,
        ...(hasBodies && requestBody !== undefined && { requestBody }),
        ...(hasBodies && answerBody !== undefined && { answerBody }),
      })),
  };
}
