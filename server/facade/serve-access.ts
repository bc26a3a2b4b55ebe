import type { Express, Request, Response } from 'express';
import express from 'express';
import type { Access } from '../core/index.ts';
import { notePattern } from './trace.ts';

const MAX_FORM_BYTES = 20_000;

/**
 * What a client needs before it has a token: where tokens are had, and where the issuer is this server, the token itself.
 * Source: SMART App Launch 2.2, "Using .well-known"; RFC 6749 4.4
 */
export function serveAccess(app: Express, access: Access | undefined): void {
  if (access === undefined) return;
  app.get('/fhir/R4/.well-known/smart-configuration', (_req, res) => {
    notePattern(res, '/fhir/R4/.well-known/smart-configuration');
    res.json(access.smartConfiguration);
  });
  const { issuer } = access;
  if (issuer === undefined) return;
  app.get('/auth/jwks', (_req, res) => {
    notePattern(res, '/auth/jwks');
    res.json(issuer.jwks);
  });
  const readForm = express.text({ type: 'application/x-www-form-urlencoded', limit: MAX_FORM_BYTES });
  app.post('/auth/token', readForm, async (req: Request, res: Response) => {
    notePattern(res, '/auth/token');
    res.setHeader('Cache-Control', 'no-store');
    const form = new URLSearchParams(typeof req.body === 'string' ? req.body : '');
    const { status, body } = await issuer.grant(form);
    res.status(status).json(body);
  });
}
