import { z } from 'zod';

/** Bodies of the control door. Source: architecture, "The simulator's control door". */
export const attachmentSchema = z.strictObject({
  title: z.string().min(1),
  contentType: z.string().min(1),
  bytes: z.int().nonnegative().optional(),
  availability: z.enum(['AVAILABLE', 'PENDING', 'THREATS_FOUND', 'THREATS FOUND', 'VALIDATION_FAILED']).optional(),
  availableAfterSeconds: z.number().nonnegative().optional(),
  settlesAs: z.enum(['AVAILABLE', 'THREATS_FOUND', 'VALIDATION_FAILED']).optional(),
});

export const referralSchema = z.strictObject({
  kind: z.enum(['booked-direct', 'booked-indirect', 'triage', 'slot-issue']),
  service: z.string(),
  nhsNumber: z.string().optional(),
  priority: z.enum(['ROUTINE', 'URGENT', 'TWO_WEEK_WAIT']).optional(),
  attachments: z.array(attachmentSchema).optional(),
  relatedTo: z.union([z.string(), z.array(z.string())]).optional(),
  hasClinicalInformation: z.boolean().optional(),
  appointmentInDays: z.number().optional(),
  /** How many such referrals, each of another patient: for long worklists. */
  count: z.int().positive().max(20_000).optional(),
});

export const userSchema = z.strictObject({
  sdsUserId: z.string().min(1),
  roles: z.array(z.string()).min(1),
  organisations: z.array(z.string()).min(1),
  onBehalfOf: z.union([z.string(), z.array(z.string())]).optional(),
  expiresInSeconds: z.number().positive().optional(),
  services: z.array(z.string()).optional(),
  ial: z.int().optional(),
  aal: z.int().optional(),
});

export const clockSchema = z.union([
  z.strictObject({ now: z.iso.datetime() }),
  z.strictObject({ advanceSeconds: z.number() }),
]);

export const loadSchema = z.strictObject({ directory: z.string().min(1) });
