import { describe, expect, test } from '@jest/globals';
import { MedplumClient } from '@medplum/core';
import type { Bundle, Patient, Task } from '@medplum/fhirtypes';
import { Client } from 'fhir-kit-client';
import { decisionOf, reviewStatusOf, SYSTEM } from '../../mappings/index.ts';
import { NHS_NUMBER, PDF, startFacade, type World } from './world.ts';

/** What fhir-kit-client answers, whose types are its own. */
const as = <T>(answer: unknown) => answer as T;
const ids = (bundle: Bundle) => bundle.entry?.map(({ resource }) => resource?.id) ?? [];

async function withOrganisations(world: World): Promise<void> {
  for (const n of [1, 2, 3, 4, 5]) await world.put({ resourceType: 'Organization', id: `paged-${n}`, name: 'Paged' });
}

describe('fhir-kit-client, unmodified', () => {
  test('reads the statement, a resource and one of its versions', async () => {
    await using world = await startFacade();
    const client = new Client({ baseUrl: world.fhir });
    expect((await client.capabilityStatement())['fhirVersion']).toBe('4.0.1');
    const task = as<Task>(await client.read({ resourceType: 'Task', id: 'task-1' }));
    expect(task.status).toBe('requested');
    const version = task.meta?.versionId ?? '';
    expect(await client.vread({ resourceType: 'Task', id: 'task-1', version })).toEqual(task);
    expect(ids(as<Bundle>(await client.history({ resourceType: 'Task', id: 'task-1' })))).toEqual(['task-1']);
  });

  test('searches by GET and POST, and follows the pages', async () => {
    await using world = await startFacade();
    await withOrganisations(world);
    const client = new Client({ baseUrl: world.fhir });
    const posted = as<Bundle>(
      await client.resourceSearch({
        resourceType: 'Patient',
        searchParams: { identifier: `${SYSTEM.nhsNumber}|${NHS_NUMBER}` },
        options: { postSearch: true },
      }),
    );
    expect(ids(posted)).toEqual(['patient-1']);
    let page = as<Bundle | undefined>(
      await client.search({
        resourceType: 'Organization',
        searchParams: { name: 'Paged', _count: 2, _sort: '_id' },
      }),
    );
    const seen: (string | undefined)[] = [];
    while (page) {
      seen.push(...ids(page));
      page = as<Bundle | undefined>(await client.nextPage({ bundle: as(page) }));
    }
    expect(seen).toEqual(['paged-1', 'paged-2', 'paged-3', 'paged-4', 'paged-5']);
  });

  test('decides by PATCH with If-Match, and learns of a refusal by its OperationOutcome', async () => {
    await using world = await startFacade();
    const client = new Client({ baseUrl: world.fhir });
    const decide = (value: string, ifMatch: string) =>
      client.patch({
        resourceType: 'Task',
        id: 'task-1',
        jsonPatch: [{ op: 'replace', path: '/status', value }],
        options: { headers: { 'If-Match': ifMatch } },
      });
    const etag = `W/"${(await world.task()).meta.versionId}"`;
    const refusal = await decide('rejected', etag).catch(
      (error: { response?: { status: number; data: unknown } }) => error,
    );
    expect(refusal).toMatchObject({
      response: { status: 422, data: { issue: [{ expression: ['Task.statusReason'] }] } },
    });
    expect(decisionOf(as<Task>(await decide('accepted', etag)))).toBe('accept');
  });

  test('updates by PUT and calls an operation', async () => {
    await using world = await startFacade();
    const client = new Client({ baseUrl: world.fhir });
    const task = await world.task();
    const updated = as<Task>(
      await client.update({
        resourceType: 'Task',
        id: 'task-1',
        body: as({ ...task, status: 'accepted' }),
        options: { headers: { 'If-Match': `W/"${task.meta.versionId}"` } },
      }),
    );
    expect(reviewStatusOf(updated)).toBe('decision-queued');
    const judged = await client.operation({ resourceType: 'Task', id: 'task-1', name: 'ers-validate-decision' });
    expect(JSON.stringify(judged)).toContain('A013');
  });
});

describe('MedplumClient, unmodified', () => {
  const connect = (world: World) =>
    new MedplumClient({ baseUrl: `${world.url}/`, fhirUrlPath: 'fhir/R4/', fetch, cacheTime: 0, maxRetries: 0 });

  test('reads, follows references and reads the history', async () => {
    await using world = await startFacade();
    const medplum = connect(world);
    const task = await medplum.readResource('Task', 'task-1');
    const patient: Patient = await medplum.readReference({ reference: task.for?.reference ?? '' });
    expect(patient.identifier?.[0]?.system).toBe(SYSTEM.nhsNumber);
    expect(ids(await medplum.readHistory('Task', 'task-1'))).toEqual(['task-1']);
  });

  test('searches with inclusions and follows the pages', async () => {
    await using world = await startFacade();
    await withOrganisations(world);
    const medplum = connect(world);
    const worklist = await medplum.search('Task', 'status=requested&_include=Task:focus&_include=Task:patient');
    expect(ids(worklist).sort()).toEqual(['patient-1', 'referral-1', 'task-1']);
    const seen: string[] = [];
    for await (const page of medplum.searchResourcePages('Organization', 'name=Paged&_count=2&_sort=_id')) {
      seen.push(...page.map(({ id }) => id));
    }
    expect(seen).toEqual(['paged-1', 'paged-2', 'paged-3', 'paged-4', 'paged-5']);
  });

  test('decides by PATCH with If-Match, and is told when it is late', async () => {
    await using world = await startFacade();
    const medplum = connect(world);
    const { meta } = await world.task();
    const headers = { 'If-Match': `W/"${meta.versionId}"` };
    const patch = [{ op: 'replace' as const, path: '/status', value: 'accepted' }];
    const task = await medplum.patchResource('Task', 'task-1', patch, { headers });
    expect(decisionOf(task)).toBe('accept');
    await expect(medplum.patchResource('Task', 'task-1', patch, { headers })).rejects.toMatchObject({
      outcome: { issue: [{ details: { coding: [{ code: 'version-conflict' }] } }] },
    });
  });

  test('downloads the letter of a referral', async () => {
    await using world = await startFacade();
    const medplum = connect(world);
    const documents = await medplum.searchResources('DocumentReference', 'related=ServiceRequest/referral-1');
    const url = documents[0]?.content?.[0]?.attachment?.url ?? '';
    const letter = await medplum.download(`${world.fhir}/${url}`);
    expect(Buffer.compare(Buffer.from(await letter.arrayBuffer()), PDF)).toBe(0);
  });
});
