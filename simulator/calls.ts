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
  requestBody?: string;
  answerBody?: string;
}

/** Every e-RS request in order of arrival. */
export interface Calls {
  /** Keeps a body with its call: of the latest calls, and up to a size, so that long runs do not fill the memory. */
  keepBody(record: CallRecord, which: 'requestBody' | 'answerBody', body: Buffer): void;
  begin(record: Omit<CallRecord, 'seq'>): CallRecord;
  after(seq: number, hasBodies: boolean): Omit<CallRecord, 'requestBody' | 'answerBody'>[];
}

const KEPT_CALLS = 500;
const KEPT_BYTES = 200_000;

export function createCalls(): Calls {
  const records: CallRecord[] = [];
  return {
    keepBody(record, which, body) {
      if (body.length <= KEPT_BYTES) record[which] = body.toString('utf8');
      const old = records[record.seq - 1 - KEPT_CALLS];
      delete old?.requestBody;
      delete old?.answerBody;
    },
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
