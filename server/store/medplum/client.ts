import { MedplumClient, OperationOutcomeError } from '@medplum/core';
import { openLine, type Wire, type WireOptions } from '../remote/wire.ts';

/** The connection to one Medplum project. */
export type MedplumWire = Wire<MedplumClient>;

/** Options as MedplumClient passes them on to its fetch. */
export const FHIR = 'application/fhir+json';

/**
 * Speaks through MedplumClient with its own retries off: it would repeat any method, and a create whose answer was lost
 * would be two. Tokens are the client's affair (client credentials); everything else goes by the line of the call.
 */
export function openMedplumWire(options: WireOptions): MedplumWire {
  const baseUrl = options.baseUrl.replace(/\/fhir\/R4$/, '');
  return openLine<MedplumClient>(
    { ...options, baseUrl: `${baseUrl}/fhir/R4` },
    {
      make: (dispatcher) =>
        new MedplumClient({
          baseUrl: `${baseUrl}/`,
          maxRetries: 0,
          cacheTime: 0,
          clientId: options.credentials?.id ?? '',
          clientSecret: options.credentials?.secret ?? '',
          // A call brings its own dispatcher along; a token request has none.
          fetch: async (url: string, init?: RequestInit) => readQuietly(await fetch(url, { dispatcher, ...init })),
        }),
      authorization: (client) => ({ authorization: `Bearer ${client.getAccessToken() ?? ''}` }),
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
