import {
  appointmentOf,
  extensionOf,
  participantOf,
  priorityOf,
  shortlistOf,
  stateOf,
  versionOf,
} from './referral-document.ts';
import { SYSTEM } from './wire.ts';
import type { Referral, World } from './world.ts';

/**
 * Draws the summary from what the referral holds: the same referral makes the same bytes. Attachments are left out, as
 * e-RS leaves them out; the conversation of a converted advice request is in it.
 * Source: provider-api 6.7 (A007)
 */
export async function drawClinicalInformation(referral: Referral, world: World): Promise<Buffer> {
  const { default: PdfDocument } = await import('pdfkit'); // loaded at first use: it costs a tenth of a second at start
  const { resource } = referral;
  const appointment = appointmentOf(resource);
  const submitted = extensionOf(resource, 'Extension-eRS-ClinicalInfoFirstSubmitted-1')?.valueDateTime;
  const made = new Date(submitted ?? referral.receivedAt);
  const lines: [string, string | undefined][] = [
    ['UBRN', resource.id],
    ['Version', String(versionOf(resource))],
    ['NHS number', resource.subject?.identifier?.value],
    ['Priority', priorityOf(resource)],
    ['Specialty', resource.specialty?.coding?.[0]?.display ?? resource.specialty?.coding?.[0]?.code],
    ['State', stateOf(resource).state],
    ['Service', participantOf(resource, SYSTEM.service).display ?? shortlistOf(resource)[0]?.name],
    ['Appointment', appointment?.start],
    ['Clinical information submitted', submitted],
  ];
  const pdf = new PdfDocument({
    size: 'A4',
    info: { Title: `Clinical information summary ${resource.id}`, CreationDate: made, ModDate: made },
  });
  const chunks: Buffer[] = [];
  pdf.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<void>((resolve) => pdf.on('end', () => resolve()));
  pdf.fontSize(18).text('Clinical Information Summary').moveDown();
  pdf.fontSize(11);
  for (const [label, value] of lines) if (value) pdf.text(`${label}: ${value}`);
  pdf.moveDown().text('Reason for referral: synthetic text for tests; no real person is described here.');
  for (const message of world.advice.get(resource.id)?.messages ?? [])
    pdf.moveDown().text(`Advice and guidance, ${String(message['sent'])}: ${JSON.stringify(message['note'])}`);
  pdf.end();
  await ended;
  return Buffer.concat(chunks);
}
