import { drawClinicalInformation } from '../clinical-information-pdf.ts';
import type { ReferralEndpoint } from '../endpoint.ts';
import { CLINICAL } from '../endpoint.ts';

/** Draws the clinical information of a referral as a PDF, without its attachments. Source: A007; provider-api 6.7. */
export const retrieveClinicalInformation: ReferralEndpoint = {
  id: 'A007',
  method: 'POST',
  path: /^\/STU3\/ReferralRequest\/(?<ubrn>[^/$]+)\/\$ers\.generateCRI$/,
  fhir: 'STU3',
  isOpenToApplications: true,
  roles: CLINICAL,
  body: 'none',
  answers: 'application/pdf',
  isWrite: false,
  subject: 'referral',
  async answer({ referral, at }, world) {
    const pdf = await drawClinicalInformation(referral, world);
    const stamp = at.toISOString().replaceAll(/\D/g, '').slice(0, 14);
    return {
      status: 200,
      headers: {
        'Content-Type': 'application/pdf',
        'Content-Disposition': `attachment; filename="${referral.resource.id}_Clinical_Information_Summary_${stamp}.pdf"`,
        'Content-Length': String(pdf.length),
      },
      body: pdf,
    };
  },
};
