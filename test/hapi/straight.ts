import type { Bundle, Resource } from '@medplum/fhirtypes';

/** All of a type, straight from a HAPI, whatever the facade would say. */
export async function allOf<T extends Resource>(url: string, type: string): Promise<T[]> {
  const found: T[] = [];
  let next: string | undefined = `${url}/${type}?_count=50`;
  while (next !== undefined) {
    const answer: Response = await fetch(next, { headers: { 'Cache-Control': 'no-cache' } });
    const bundle = (await answer.json()) as Bundle<T>;
    found.push(...(bundle.entry ?? []).flatMap(({ resource }) => (resource === undefined ? [] : [resource])));
    next = bundle.link?.find(({ relation }) => relation === 'next')?.url;
  }
  return found;
}

/** What another client of the HAPI does to accept a referral: it knows nothing of the facade. */
export async function acceptStraight(url: string, taskId: string): Promise<void> {
  const answer = await fetch(`${url}/Task/${taskId}`, {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/json-patch+json' },
    body: JSON.stringify([{ op: 'replace', path: '/status', value: 'accepted' }]),
  });
  if (!answer.ok) throw new Error(`HAPI did not take the decision: ${answer.status} ${await answer.text()}`);
}
