import { CODE_SYSTEM, SYSTEM } from '../../mappings/index.ts';

/**
 * What two facades over the same resources are asked: all forms of S-1 to S-22 and more. `{Task}` stands for the id of the one
 * that was decided, `{Patient}` and `{ServiceRequest}` for what it is about, `{Practitioner}` for who claimed another. Each
 * question finds something in the world of `liveALittle`, and brings something where it asks for inclusions.
 */
export const SEARCHES = [
  'Task?owner=HealthcareService/{HealthcareService}&status=requested,received&_include=Task:focus&_include=Task:patient',
  'Task?ers-service={HealthcareService}',
  'Task?ers-service=HealthcareService/{HealthcareService}&status=requested',
  'Task?focus:ServiceRequest.performer=HealthcareService/{HealthcareService}',
  'Task?owner=Practitioner/{Practitioner}&status=received',
  `Task?code=${CODE_SYSTEM.taskCode}|review-triage&status=requested,received`,
  'Task?status=requested&priority=asap',
  'Task?business-status=referral-changed',
  // A store with a decision on its way is not copied, so of these only what is accepted is found.
  'Task?business-status=decision-queued,decision-sending,awaiting-user-authorisation,accepted',
  'Task?business-status:missing=true',
  'Task?status:not=requested',
  'Task?patient=Patient/{Patient}&_revinclude=Provenance:target',
  'Task?due=gt2020-01-01',
  'Task?authored-on=ge2020-01-01&_summary=count',
  'Task?_total=accurate&_count=3',
  'Task?_count=0',
  'Task?_id={Task}&_elements=status,code',
  'Task?_id={Task}&_include=Task:focus&_elements=status',
  'Task?_id={Task}&_include=Task:focus&_include:iterate=ServiceRequest:performer',
  'Task?_lastUpdated=ge2020-01-01T00:00:00Z&_sort=_id',
  'ServiceRequest?category=http://snomed.info/sct|3457005&_revinclude=Task:focus&_revinclude=Appointment:based-on&_revinclude=DocumentReference:related',
  `ServiceRequest?identifier=${SYSTEM.ubrn}|`,
  'ServiceRequest?ers-state=BOOKED',
  'ServiceRequest?ers-priority=ROUTINE',
  'ServiceRequest?ers-pathway-start=lt2100-01-01',
  'ServiceRequest?_has:Task:focus:business-status=awaiting-review',
  'ServiceRequest?performer-type=CARDIOLOGY,NEUROLOGY',
  'ServiceRequest?based-on:missing=true',
  'ServiceRequest?supporting-info:missing=false',
  'ServiceRequest?priority=routine&_sort=_id&_count=4',
  'ServiceRequest?patient=Patient/{Patient}',
  'DocumentReference?related=ServiceRequest/{ServiceRequest}',
  'DocumentReference?type=clinical-information-summary',
  'DocumentReference?ers-availability:missing=false',
  'DocumentReference?contenttype=application/pdf',
  'Appointment?actor=HealthcareService/{HealthcareService}&date=ge2020-01-01&status=booked&_include=Appointment:based-on',
  'Provenance?target=Task/{Task}',
  'AuditEvent?entity=Task/{Task}',
  'List?item=HealthcareService/{HealthcareService}',
  'List?patient=Patient/{Patient}',
  'List?code:missing=false',
  'Patient?_id={Patient},none',
  'Patient?family:contains=a',
  'Patient?birthdate=lt2000-01-01',
  'HealthcareService?name:contains=c',
  'Organization?identifier:missing=false',
  'Practitioner?_has:Task:owner:status=received',
  'CodeSystem?status=active',
  'Task?_id={Task}&_summary=true&_include=Task:focus',
  'Task?_id={Task}&_summary=data',
  'Task?_id={Task}&_summary=text',
  'Device',
] as const;

/** With what is answered. */
export const READS = [
  ['Task/{Task}', 200],
  ['ServiceRequest/{ServiceRequest}', 200],
  ['Patient/{Patient}', 200],
  ['DocumentReference/{DocumentReference}', 200],
  ['Binary/{Binary}?_format=json', 200],
  // Of no patient's record: kept for the engine, and there in both stores.
  ['Binary/{RawBinary}?_format=json', 404],
  ['Task/none', 404],
  ['Basic?code=x', 404],
  ['Basic/ers-fhir-probe', 404],
  ['Task/{Task}/_history/99', 404],
] as const;

export const REFUSED = [
  'Task?colour=blue',
  'Task?status:below=requested',
  'Task?authored-on=yesterday',
  'Task?_include=Task:nothing',
  'Task?_revinclude=Basic:subject',
  'Task?focus.status=active',
  'Task?_text=x',
  'Task?_content=x',
  'Task?_filter=status eq requested',
  'Task?_source=x',
  'Patient?phonetic=x',
  'Patient/{Patient}/$everything',
  'Task?_page=forged',
] as const;
