/** Where a server listens that was told nothing else. */
export const DEFAULT_URL = 'http://127.0.0.1:8080';

export type Asked =
  | { readonly ok: true; readonly body: unknown }
  /** `said`: why not, for a person to read. */
  | { readonly ok: false; readonly said: string };

/** A running server, and the token that it is asked with, if it wants one. */
export interface AskedServer {
  readonly url: string;
  readonly token: string | undefined;
}

/** Asks a running server for one of its operations. Resolves, never rejects. */
export async function askServer(
  { url, token }: AskedServer,
  operation: string,
  parameters: Readonly<Record<string, string>>,
): Promise<Asked> {
  const answer = await fetch(`${url.replace(/\/+$/, '')}/fhir/R4/${operation}`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/fhir+json',
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({
      resourceType: 'Parameters',
      parameter: Object.entries(parameters).map(([name, valueString]) => ({ name, valueString })),
    }),
  }).catch(() => undefined);
  if (answer === undefined) return { ok: false, said: `no server at ${url}` };
  const body: unknown = await answer.json().catch(() => undefined);
  if (answer.ok) return { ok: true, body };
  const { issue } = (body ?? {}) as { issue?: { details?: { text?: string } }[] };
  return { ok: false, said: issue?.[0]?.details?.text ?? `HTTP ${answer.status}` };
}
