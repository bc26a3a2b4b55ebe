import { Readable } from 'node:stream';
import type { Patient, Reference, Resource } from '@medplum/fhirtypes';
import { CODE_SYSTEM, ersExtension, SYSTEM, taskKey } from '../../mappings/index.ts';
import type { Authenticate } from '../../server/core/index.ts';
import { writeRecord } from '../../server/store/index.ts';
import { type FacadeWorldOptions, reviewTask, startFacade, type World } from './world.ts';

/** Two e-RS services, by their numbers. Ids of what belongs to the second only hold the word `bee`. */
export const ANT = '990101';
export const BEE = '990102';

interface Kept {
  readonly id: string;
  readonly service: 'ant' | 'bee';
  readonly patient: string;
  readonly related?: string;
  /** Was the first service's until it was redirected. */
  readonly isMoved?: boolean;
}

const REFERRALS: readonly Kept[] = [
  { id: 'ant-1', service: 'ant', patient: 'shared', related: 'bee-1' },
  { id: 'ant-2', service: 'ant', patient: 'ant-patient' },
  { id: 'bee-1', service: 'bee', patient: 'shared', related: 'ant-1' },
  { id: 'bee-2', service: 'bee', patient: 'bee-patient' },
  { id: 'bee-moved', service: 'bee', patient: 'shared', isMoved: true },
];

/** Who asks, by a header of the tests: which services, and as whom. */
const authenticate: Authenticate = async (headers) => {
  const given = String(headers['x-services'] ?? 'all');
  const services = given === 'all' ? given : new Set(given.split(',').filter((one) => one !== ''));
  const clientId = String(headers['x-client'] ?? 'client');
  return { ok: true, caller: { clientId, user: undefined, scopes: ['system/*.cruds', 'ers/operator'], services } };
};

export interface TwoServices extends FacadeWorldOptions {
  /** Without it nothing of the second service is there, nor ever was. */
  readonly hasBee?: boolean;
}

export async function startTwoServices({ hasBee = true, ...options }: TwoServices = {}): Promise<World> {
  const world = await startFacade({
    access: { authenticate, smartConfiguration: {}, tokenUrl: undefined },
    ...options,
  });
  for (const [id, value] of [
    ['service-ant', ANT],
    ['service-buzz', BEE],
  ] as const)
    await world.put({
      resourceType: 'HealthcareService',
      id,
      identifier: [{ system: SYSTEM.service, value }],
      name: id,
    });
  for (const one of REFERRALS.filter(({ service }) => hasBee || service === 'ant'))
    await putReferral(world, one, hasBee);
  if (!hasBee) {
    // Where the related referral lands, this one gets a version for it; so it gets one here as well.
    const named = await world.store.read('ServiceRequest', 'ant-1');
    if (named.ok) await world.put({ ...named.value, status: 'active' });
  }
  return world;
}

const number = (id: string) => String(REFERRALS.findIndex((one) => one.id === id) + 1);
export const ubrnOf = (id: string) => `00000080000${number(id)}`;
const requestIdOf = (id: string) => `r.0000000${number(id)}-0000-4000-8000-000000000000`;
const concept = (system: string, code: string) => ({ coding: [{ system, code }] });

async function putReferral(world: World, { id, service, patient, related, isMoved }: Kept, hasBee: boolean) {
  const { put, store } = world;
  const held = await store.read('Patient', patient);
  const subject: Reference<Patient> = { reference: `Patient/${patient}`, type: 'Patient' };
  if (!held.ok) await put({ resourceType: 'Patient', id: patient, name: [{ family: patient }], gender: 'female' });
  const performer = (who: string) => [
    { reference: `HealthcareService/${who === 'ant' ? 'service-ant' : 'service-buzz'}`, type: 'HealthcareService' },
  ];
  const focus = { reference: `ServiceRequest/${id}`, type: 'ServiceRequest' as const };
  const binary = await store.putBinary(Readable.from([Buffer.from(`file of ${id}`)]), {
    id: `${id}-file`,
    contentType: 'application/pdf',
    securityContext: `Patient/${patient}`,
  });
  if (!binary.ok) throw new Error(binary.code);
  await put({
    resourceType: 'List',
    id: `${id}-list`,
    identifier: [{ system: SYSTEM.shortlist, value: requestIdOf(id) }],
    status: 'current',
    mode: 'snapshot',
    subject,
    entry: [{ item: { reference: 'HealthcareService/service-buzz' } }],
  });
  const isNamed = related !== undefined && hasBee && (await store.read('ServiceRequest', related)).ok;
  const referral = (by: string): Resource & { id: string } => ({
    resourceType: 'ServiceRequest',
    id,
    identifier: [
      { system: SYSTEM.requestId, value: requestIdOf(id) },
      { system: SYSTEM.ubrn, value: ubrnOf(id) },
    ],
    extension: [ersExtension('ers-shortlist', { valueReference: { reference: `List/${id}-list` } })],
    status: related !== undefined && !hasBee ? 'on-hold' : 'active',
    intent: 'order',
    priority: service === 'ant' ? 'routine' : 'asap',
    subject,
    performer: performer(by) as never,
    supportingInfo: [
      { reference: `DocumentReference/${id}-doc`, type: 'DocumentReference' },
      ...(related === undefined
        ? []
        : [
            {
              ...(isNamed ? { reference: `ServiceRequest/${related}` } : {}),
              type: 'ServiceRequest' as const,
              identifier: { system: SYSTEM.ubrn, value: ubrnOf(related) },
            },
          ]),
    ],
  });
  await store.transaction([
    { kind: 'put', resource: referral(isMoved ? 'ant' : service) },
    {
      kind: 'put',
      resource: {
        resourceType: 'DocumentReference',
        id: `${id}-doc`,
        status: 'current',
        description: service,
        subject,
        content: [{ attachment: { contentType: 'application/pdf', url: `Binary/${id}-file` } }],
        context: { related: [focus] },
      },
    },
  ]);
  if (related !== undefined && isNamed) {
    // M-13: who landed earlier is linked with who lands now.
    const earlier = await store.read('ServiceRequest', related);
    if (!earlier.ok) throw new Error(earlier.code);
    await put({
      ...earlier.value,
      supportingInfo: earlier.value.supportingInfo?.map((one) =>
        one.type === 'ServiceRequest' ? { ...one, reference: `ServiceRequest/${id}` } : one,
      ) as never,
    });
  }
  await put({
    resourceType: 'Appointment',
    id: `${id}-appointment`,
    status: 'booked',
    start: '2026-02-01T09:00:00Z',
    end: '2026-02-01T09:20:00Z',
    basedOn: [focus as never],
    participant: [{ actor: subject, status: 'accepted' }],
  });
  const { extension: _, ...review } = reviewTask({});
  const key = taskKey(requestIdOf(id), 1).value;
  const task = await put({
    ...review,
    id: `${id}-task`,
    identifier: [{ system: SYSTEM.reviewTask, value: key }],
    focus,
    for: subject,
    owner: performer(isMoved ? 'ant' : service)[0] as never,
  });
  await writeRecord(store, 'ers-dispatch', key, {
    taskId: task.id,
    requestId: requestIdOf(id),
    ubrn: ubrnOf(id),
    serviceRequestId: id,
    baseline: task,
    sendable: { version: 5, fingerprint: 'f' },
    offered: ['accept', 'reject', 'redirect'],
    reviewed: { state: 'BOOKED', priority: 'ROUTINE' },
  });
  const agent = [{ who: { reference: 'Device/device-1' } }];
  await put({
    resourceType: 'Provenance',
    id: `${id}-provenance`,
    recorded: '2026-01-03T09:00:00Z',
    target: [{ reference: `Task/${task.id}`, type: 'Task' }, focus] as never,
    activity: concept(CODE_SYSTEM.decision, 'accept'),
    agent,
  });
  await put({
    resourceType: 'AuditEvent',
    id: `${id}-audit`,
    type: { code: 'rest' },
    recorded: '2026-01-03T09:00:00Z',
    agent: [{ ...agent[0], requestor: true }],
    source: { observer: { reference: 'Device/device-1' } },
    entity: [{ what: { reference: `Task/${task.id}`, type: 'Task' } }],
  });
  if (isMoved) await put(referral(service));
}

/** What the second service's referral `id` consists of, by type. */
export const partsOf = (id: string): readonly (readonly [type: string, id: string])[] => [
  ['ServiceRequest', id],
  ['Task', `${id}-task`],
  ['DocumentReference', `${id}-doc`],
  ['Binary', `${id}-file`],
  ['Appointment', `${id}-appointment`],
  ['List', `${id}-list`],
  ['Provenance', `${id}-provenance`],
];
