import { MedplumClient, OperationOutcomeError } from '@medplum/core';
import { fixedEntry } from '../remote/entry.ts';
import { openLine, type Wire, type WireOptions } from '../remote/wire.ts';
import { Tokens } from './tokens.ts';

/** The connection to one Medplum project. */
export type MedplumWire = Wire<MedplumClient>;

/** Options as MedplumClient passes them on to its fetch. */
export const FHIR = 'application/fhir+json';

/**
 * Speaks through MedplumClient with its own retries off: it would repeat any method, and a create whose answer was lost
 * would be two. It knows of no credentials either, so that it asks for nothing of its own accord: tokens are ours.
 */
export function openMedplumWire(options: WireOptions): MedplumWire {
  const { credentials, clock } = options;
  const baseUrl = options.baseUrl.replace(/\/fhir\/R4$/, '');
  return openLine<MedplumClient>(
    { ...options, baseUrl: `${baseUrl}/fhir/R4` },
    {
      client: new MedplumClient({
        baseUrl: `${baseUrl}/`,
        maxRetries: 0,
        cacheTime: 0,
        fetch: async (url: string, init?: RequestInit) => readQuietly(await fetch(url, init)),
      }),
      entry: (line) =>
        credentials === undefined
          ? fixedEntry({})
          : new Tokens({ ...line, url: `${baseUrl}/oauth2/token`, credentials, clock }),
      answerIn: (error) => (error instanceof OperationOutcomeError ? { body: error.outcome } : undefined),
    },
  );
}

/**
 * MedplumClient prints why an answer could not be parsed, and V8's words quote what stands there: a patient's name may (P1).
 * So they are said without it.
 */
function readQuietly(response: Response): Response {
  const json = async (): Promise<unknown> => {
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch {
      throw new SyntaxError('The answer is no JSON');
    }
  };
  return Object.defineProperty(response, 'json', { value: json });
}
