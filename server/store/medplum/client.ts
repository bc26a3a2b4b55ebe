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
          fetch: (url: string, init?: RequestInit) => fetch(url, { dispatcher, ...init }),
        }),
      authorization: (client) => ({ authorization: `Bearer ${client.getAccessToken() ?? ''}` }),
      answerIn: (error) => (error instanceof OperationOutcomeError ? { body: error.outcome } : undefined),
    },
  );
}
