import { z } from 'zod';
import type { Answer } from './exchange.ts';

/** The whole body, or undefined when it is longer than `maxBytes`, was cut short, or came too late. */
export async function readBytes(answer: Answer, maxBytes: number): Promise<Buffer | undefined> {
  if (Number(answer.header('content-length') ?? 0) > maxBytes) {
    answer.body.destroy();
    return undefined;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks, size);
}

const UNWANTED_BYTES = 65_536;

/** Lets go of a body that says nothing, so that its connection can be used again; a long one is cut off. */
export function dropBody(answer: Answer): void {
  void readBytes(answer, UNWANTED_BYTES);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** JSON of these bytes; undefined when they are none. Ill-formed UTF-8 is refused, or values would change in silence (K3). */
export function parseJson(bytes: Buffer): unknown {
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes));
    return value ?? undefined;
  } catch {
    return undefined;
  }
}

/** The body as JSON; undefined when it is none, too long or incomplete. */
export async function readJson(answer: Answer, maxBytes: number): Promise<unknown> {
  const bytes = await readBytes(answer, maxBytes);
  return bytes && parseJson(bytes);
}

const outcomeSchema = z.looseObject({
  issue: z.array(
    z.looseObject({
      code: z.string().optional(),
      details: z
        .looseObject({ coding: z.array(z.looseObject({ code: z.string().optional() })).nullish() })
        .nullish()
        .catch(undefined),
    }),
  ),
});

const LARGEST_ERROR_BYTES = 65_536;
/** Codes only: free text of an error body must reach no log and no Task. */
const CODE = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

export interface Failure {
  /** eRS-APIErrorCode-1 and its kin, matched by code and never by system. */
  readonly ersCode?: string;
  /** FHIR IssueType of the first issue. */
  readonly issueType?: string;
}

/** What an error body says, whatever it is: empty, text, Apigee's fault, FHIR, garbage. Source: provider-api 1.6, 2.1 */
export async function readFailure(answer: Answer): Promise<Failure> {
  const parsed = outcomeSchema.safeParse(await readJson(answer, LARGEST_ERROR_BYTES));
  if (!parsed.success) return {};
  const codes = parsed.data.issue.flatMap((issue) => issue.details?.coding?.map(({ code }) => code) ?? []);
  const ersCode = codes.find((code) => code !== undefined && CODE.test(code));
  const issueType = parsed.data.issue[0]?.code;
  return { ...(ersCode !== undefined && { ersCode }), ...(issueType !== undefined && { issueType }) };
}

const LONGEST_WAIT_MS = 3_600_000;

/** `Retry-After` in milliseconds, at most an hour; undefined when absent or unreadable. */
export function retryAfterMs(answer: Answer, now: Date): number | undefined {
  const value = answer.header('retry-after')?.trim();
  if (!value) return undefined;
  // Date.parse takes almost anything for a date: only HTTP's own form is one here.
  const date = /^[A-Z][a-z]{2,8}, .* GMT$/.test(value) ? Date.parse(value) : Number.NaN;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : date - now.getTime();
  return Number.isNaN(ms) ? undefined : Math.min(LONGEST_WAIT_MS, Math.max(0, ms));
}

/** What e-RS's clock says. A failure may come from a proxy on the way, whose clock counts for nothing. */
export function timeOf(answer: Answer): Date | undefined {
  const sentAt = Date.parse(answer.header('date') ?? '');
  return answer.status >= 200 && answer.status < 300 && !Number.isNaN(sentAt) ? new Date(sentAt) : undefined;
}

/** `X-Request-ID`, when it is what e-RS makes of it. */
export function requestIdOf(answer: Answer): string | undefined {
  const value = answer.header('x-request-id');
  return value !== undefined && /^[\w.-]{1,100}$/.test(value) ? value : undefined;
}
