import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { ANYBODY, type Caller, describeError } from '../core/index.ts';
import { type Answer, isRefusal, type Refusal } from './answer.ts';
import { attachFile } from './attach-file.ts';
import { readText } from './body.ts';
import { expandValueSet } from './expand-value-set.ts';
import { fetchReferral } from './fetch-referral.ts';
import { serveHealth } from './health.ts';
import { serveHints } from './hints.ts';
import { history } from './history.ts';
import { checkHost, originForm } from './host.ts';
import { carryOutLimited } from './limited.ts';
import { negotiate } from './negotiate.ts';
import { mayShowPatients, noteAccess } from './note-access.ts';
import type { FacadeOptions } from './options.ts';
import { refuse, refuseCaller } from './outcome.ts';
import { patchTask } from './patch-task.ts';
import { permit, permitAnswer } from './permit.ts';
import { pollService } from './poll-service.ts';
import { read, readMetadata, readVersion } from './read.ts';
import { reconcile } from './reconcile.ts';
import { refreshReferral } from './refresh-referral.ts';
import { reopenTask } from './reopen-task.ts';
import { respond } from './respond.ts';
import { type Call, type FacadeRoom, furnish, type RouteOf } from './room.ts';
import { findRoute, type Route, type Unrouted } from './route.ts';
import { search } from './search.ts';
import { sendDecision } from './send-decision.ts';
import { serveAccess } from './serve-access.ts';
import { serveHandOver } from './serve-hand-over.ts';
import { signAndSend } from './sign-and-send.ts';
import { idsOf, notePattern, traceRequests } from './trace.ts';
import { updateTask } from './update-task.ts';
import { validateDecision } from './validate-decision.ts';

const BASE = '/fhir/R4';

/** Builds the HTTP server's application; main lets it listen. Source: architecture, "Running it" */
export function createFacade(options: FacadeOptions): Express {
  const room = furnish(options);
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.use(traceRequests(options));
  // Before the host is judged: the store's server and the other processes name this one as they please, and have a secret to show.
  serveHints(app, options);
  serveHandOver(app, options.receiveHandOver);
  app.use(checkHost(options.publicUrl));
  serveHealth(app, options);
  const { throttle } = room;
  // Of those who have no token yet, too, no more is in hand at once than can be answered.
  app.use(['/auth', '/sign-in'], (req: Request, res: Response, next: NextFunction) => {
    const crowded = throttle.enter(res);
    if (crowded) respond(req, res, crowded, false);
    else next();
  });
  serveAccess(app, options.access);
  if (options.signIn) app.use('/sign-in', options.signIn);
  // The type of a body is judged by the interaction, which knows what it takes.
  const readBytes = express.raw({ type: () => true, limit: room.limits.maxBodyBytes });
  app.use(
    BASE,
    async (req: Request, res: Response, next: NextFunction) => {
      const route = findRoute(req.method, pathOf(req), room.store.capabilities);
      res.locals['route'] = route;
      // Before the body is read: a stranger's is not waited for.
      const crowded = throttle.enter(res);
      const caller = crowded ?? (await identify(room, route, req));
      const refused = isRefusal(caller)
        ? caller
        : (throttle.admit(caller, res) ?? refuseBeyondScopes(room, route, caller, req, res));
      if (refused) {
        notePattern(res, BASE + route.pattern);
        return respond(req, res, refused, false);
      }
      res.locals['caller'] = caller;
      // A file is streamed by its operation.
      if (takesFile(route)) next();
      else readBytes(req, res, next);
    },
    (req: Request, res: Response) => answerFhir(room, req, res),
  );
  app.use((req: Request, res: Response) => {
    respond(req, res, refuse('resource-not-found', { text: `FHIR is served below ${BASE}.` }), false);
  });
  app.use((error: unknown, req: Request, res: Response, next: NextFunction) => {
    if (res.headersSent) return next(error);
    const refusal = refuseUnread(error);
    if (refusal.status === 500) room.log.error('facade.request.failed', describeError(error));
    respond(req, res, refusal, false);
  });
  return app;
}

async function answerFhir(room: FacadeRoom, req: Request, res: Response): Promise<void> {
  const query = queryOf(req);
  const found = res.locals['route'] as Route | Unrouted;
  notePattern(res, BASE + found.pattern);
  if ('refusal' in found) return respond(req, res, found.refusal, false);
  const isBinary = found.kind === 'read' && found.type === 'Binary';
  const wanted = isBinary ? { isPretty: false } : negotiate(query, req.headers);
  if (isRefusal(wanted)) return respond(req, res, wanted, false);
  // A body means nothing with GET (RFC 9110 9.3.1).
  const hasBody = Buffer.isBuffer(req.body) && req.method !== 'GET' && req.method !== 'HEAD';
  const body = hasBody ? readText(req.headers, req.body) : { text: undefined };
  if (isRefusal(body)) return respond(req, res, body, wanted.isPretty);
  const file = takesFile(found) ? { file: req } : {};
  const caller = res.locals['caller'] as Caller;
  const call = { route: found, caller, headers: req.headers, query, body: body.text, ...file };
  if (room.audit?.mayServe() === false && mayShowPatients(found))
    return respond(req, res, refuse('audit-unavailable'), wanted.isPretty);
  const asked = await carryOutLimited(room, call, carryOut);
  const answer = permitAnswer(asked, caller) ?? asked;
  if (room.audit) noteAccess(room.audit, call, answer, idsOf(res));
  respond(req, res, answer, wanted.isPretty);
}

/** Who calls. Whoever cannot say who they are learns nothing of what there is. */
async function identify({ access, audit }: FacadeRoom, route: Route | Unrouted, { headers }: Request) {
  if (access === undefined || ('kind' in route && route.kind === 'metadata')) return ANYBODY;
  const who = await access.authenticate(headers);
  if (who.ok) return who.caller;
  audit?.noteStranger(who.code);
  return refuseCaller(who);
}

/** Refuses whoever may not have what they ask for; that they asked is on record. */
function refuseBeyondScopes(
  { audit }: FacadeRoom,
  route: Route | Unrouted,
  caller: Caller,
  req: Request,
  res: Response,
): Refusal | undefined {
  if (!('kind' in route)) return undefined;
  const refusal = permit(route, caller);
  const call: Call = { route, caller, headers: req.headers, query: queryOf(req), body: undefined };
  // One that the trail cannot take is in the log.
  if (refusal && audit?.mayServe()) noteAccess(audit, call, refusal, idsOf(res));
  return refusal;
}

const pathOf = ({ url }: Request): string => originForm(url).split('?', 1)[0] ?? '';

function queryOf(req: Request): URLSearchParams {
  const url = originForm(req.url);
  const mark = url.indexOf('?');
  return new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
}

const takesFile = (route: Route | Unrouted): boolean => 'takesFile' in route && route.takesFile === true;

function carryOut(room: FacadeRoom, { route, ...rest }: Call): Promise<Answer> {
  switch (route.kind) {
    case 'metadata':
      return readMetadata(room, { ...rest, route });
    case 'read':
      return read(room, { ...rest, route });
    case 'vread':
      return readVersion(room, { ...rest, route });
    case 'history':
      return history(room, { ...rest, route });
    case 'search':
      return search(room, { ...rest, route });
    case 'update':
      return updateTask(room, { ...rest, route });
    case 'patch':
      return patchTask(room, { ...rest, route });
    case 'operation':
      return operate(room, { ...rest, route });
  }
}

type Operation = (room: FacadeRoom, call: Call<RouteOf<'operation'>>) => Promise<Answer>;

/** A test holds this against the operations that the statement names. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  'ers-send-decision': sendDecision,
  'ers-sign-and-send': signAndSend,
  'ers-validate-decision': validateDecision,
  'ers-attach': attachFile,
  'ers-reopen': reopenTask,
  'ers-refresh': refreshReferral,
  'ers-fetch': fetchReferral,
  'ers-poll': pollService,
  'ers-reconciliation': reconcile,
  expand: expandValueSet,
};

async function operate(room: FacadeRoom, call: Call<RouteOf<'operation'>>): Promise<Answer> {
  const operation = OPERATIONS[call.route.code];
  return operation ? operation(room, call) : refuse('resource-not-found');
}

/** What express and its body reader throw before an interaction is reached; anything else is a defect. */
function refuseUnread(error: unknown): Refusal {
  const { status, limit } = (typeof error === 'object' && error !== null ? error : {}) as {
    status?: unknown;
    limit?: unknown;
  };
  if (status === 413)
    return refuse('body-too-large', typeof limit === 'number' ? { text: `A body may have ${limit} bytes here.` } : {});
  if (status === 415)
    return refuse('media-type-unsupported', { text: 'Send UTF-8, as it is or compressed by gzip, deflate or br.' });
  if (status === 400) return refuse('body-unreadable');
  return refuse('internal-error');
}
