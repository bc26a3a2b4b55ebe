import { z } from 'zod';

/** What the control door takes as a fault. Source: architecture, "The simulator's control door". */
export const faultSchema = z.strictObject({
  /** `A013`; `TOKEN` and `OBJECT-STORE` for the two other doors; `*` for every e-RS endpoint. */
  endpoint: z.string().min(1),
  /** Strikes calls about this referral only. */
  ubrn: z
    .string()
    .regex(/^\d{12}$/)
    .optional(),
  kind: z.enum(['status', 'lose-answer', 'lose-request', 'delay', 'reset', 'truncate', 'garbage']),
  status: z.int().min(100).max(599).optional(),
  body: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(),
  /** Of that body; default: FHIR JSON for an object, text for a string. */
  contentType: z.string().min(1).optional(),
  retryAfterSeconds: z.number().nonnegative().optional(),
  delayMs: z.number().nonnegative().optional(),
  times: z.int().positive().default(1),
  after: z.int().nonnegative().default(0),
  /** For `status`: the change is made although the answer says otherwise, as with a 504. */
  applied: z.boolean().default(false),
});
export type Fault = z.infer<typeof faultSchema>;

export interface Faults {
  add(fault: Fault): void;
  clear(): void;
  list(): Fault[];
  /** The fault that strikes this call, used up by one. A call that a fault spares counts as good. */
  take(endpoint: string, ubrn?: string): Fault | undefined;
}

export function createFaults(): Faults {
  let faults: Fault[] = [];
  return {
    add: (fault) => {
      faults.push({ ...fault });
    },
    clear: () => {
      faults = [];
    },
    list: () => faults.map((fault) => ({ ...fault })),
    take(endpoint, ubrn) {
      const mine = faults.filter(
        (fault) =>
          (fault.endpoint === endpoint || (fault.endpoint === '*' && endpoint.startsWith('A'))) &&
          (fault.ubrn === undefined || fault.ubrn === ubrn),
      );
      const struck = mine.find((fault) => fault.after === 0);
      if (!struck) {
        for (const fault of mine) fault.after -= 1;
        return undefined;
      }
      struck.times -= 1;
      faults = faults.filter((fault) => fault.times > 0);
      return struck;
    },
  };
}
