import { Client } from 'fhir-kit-client';
import { fixedEntry } from '../remote/entry.ts';
import { openLine, type Wire, type WireOptions } from '../remote/wire.ts';

/** The connection to one HAPI. */
export type HapiWire = Wire<Client>;

/** Speaks through fhir-kit-client, with HTTP Basic where there are credentials. */
export function openHapiWire(options: WireOptions): HapiWire {
  const { baseUrl, credentials } = options;
  const authorization: Readonly<Record<string, string>> =
    credentials === undefined
      ? {}
      : { authorization: `Basic ${Buffer.from(`${credentials.id}:${credentials.secret}`).toString('base64')}` };
  return openLine(options, {
    client: new Client({ baseUrl }),
    entry: () => fixedEntry(authorization),
    // A body that is no JSON comes as text.
    answerIn(error) {
      if (!Error.isError(error) || !('response' in error)) return undefined;
      const { data } = error.response as { data: unknown };
      return { body: typeof data === 'object' ? data : undefined };
    },
  });
}
