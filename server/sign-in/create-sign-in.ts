import { randomBytes, timingSafeEqual } from 'node:crypto';
import express, { type Request, type RequestHandler, type Response } from 'express';
import {
  CLINICIAN_ADMIN,
  type Clock,
  type Engine,
  type Log,
  REVIEWER_ROLES,
  type UserSession,
  type WaitingDecision,
} from '../core/index.ts';
import { type Cis2Options, createCis2 } from './cis2.ts';
import { type Choice, resultPage, type Shown, signedInPage, signedOutPage } from './pages.ts';
import { type Visit, Visits } from './visits.ts';

export interface SignInOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly engine: Pick<Engine, 'openSession' | 'waiting' | 'signAndSend'>;
  /** Where browsers reach this server, without a slash at the end. */
  readonly publicUrl: string;
  readonly cis2: Cis2Options;
}

/** How long a page waits for the fates of what was sent. */
const SEND_WAIT_MS = 45_000;
const MAX_FORM_BYTES = 4_096;

/**
 * The pages below /sign-in: a clinician signs in at NHS CIS2, sees how many decisions wait, and sends them. No scripts, no
 * patient data; sessions in memory only.
 * Source: target-model 4.7; provider-api 1.2; OWASP ASVS 5 V3, V7, V10
 */
export function createSignIn({ clock, log, engine, publicUrl, cis2: about }: SignInOptions): RequestHandler {
  const visits = new Visits(clock);
  const cis2 = createCis2(about);
  const secure = publicUrl.startsWith('https:');
  const router = express.Router();
  // The prefix keeps other hosts of the site from setting them; browsers want the whole host's path for it.
  const [SESSION, FLOW] = ['ers-session', 'ers-sign-in'].map((name) => (secure ? `__Host-${name}` : name)) as [
    string,
    string,
  ];
  const cookieOptions = { httpOnly: true, sameSite: 'lax' as const, secure, path: secure ? '/' : '/sign-in' };

  /** Sends a page with what keeps others out of it; what it answers is this browser's alone. */
  function show(res: Response, status: number, make: (nonce: string) => string): void {
    const nonce = randomBytes(16).toString('base64');
    const policy = `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`;
    res.status(status).setHeader('Content-Security-Policy', policy);
    res.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    res.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
    res.setHeader('X-Frame-Options', 'DENY');
    res.type('html').send(make(nonce));
  }

  /** A form of a page of ours, sent from it by its own browser; undefined where it is not, and then the page is shown anew. */
  function formOf(req: Request, res: Response): { visit: Visit; form: URLSearchParams } | undefined {
    const visit = visits.of(cookieOf(req, SESSION));
    const form = new URLSearchParams(typeof req.body === 'string' ? req.body : '');
    if (visit !== undefined && isEqual(form.get('formToken') ?? '', visit.formToken)) return { visit, form };
    show(res, 403, (nonce) => signedOutPage(nonce, 'sign-in-refused'));
    return undefined;
  }

  async function showVisit(req: Request, res: Response, visit: Visit): Promise<void> {
    const { opened, formToken } = visit;
    const choices = choicesOf(visit);
    visit.acts ??= actsAs(
      visit,
      choices.find(({ businessFunction }) => businessFunction !== CLINICIAN_ADMIN),
    );
    const waiting = visit.acts === undefined ? undefined : await engine.waiting(visit.acts);
    const shown: Shown = { formToken, sdsUserId: opened.sdsUserId, choices, acts: visit.acts };
    if (waiting === undefined) return show(res, 200, (nonce) => signedInPage(nonce, shown));
    if (!waiting.ok && waiting.code === 'ERS_USER_SESSION_ENDED') {
      visits.close(cookieOf(req, SESSION));
      return show(res, 401, (nonce) => signedOutPage(nonce, 'ERS_USER_SESSION_ENDED'));
    }
    if (!waiting.ok) return show(res, 200, (nonce) => signedInPage(nonce, { ...shown, notice: waiting.code }));
    const own = waiting.value.filter(({ isOwn }) => isOwn);
    const nobodys = waiting.value.filter(({ isOwn }) => !isOwn);
    visit.shown = { own, nobodys };
    show(res, 200, (nonce) => signedInPage(nonce, { ...shown, own: counted(own), nobodys: counted(nobodys) }));
  }

  router.use((_req, res, next) => {
    res.locals['pattern'] = '/sign-in';
    next();
  });
  router.use(express.text({ type: 'application/x-www-form-urlencoded', limit: MAX_FORM_BYTES }));

  router.get('/', async (req, res) => {
    const visit = visits.of(cookieOf(req, SESSION));
    if (visit === undefined) return show(res, 200, (nonce) => signedOutPage(nonce));
    await showVisit(req, res, visit);
  });

  router.get('/start', async (_req, res) => {
    const begun = await cis2.begin();
    if (begun === undefined) return show(res, 503, (nonce) => signedOutPage(nonce, 'cis2-unavailable'));
    res.cookie(FLOW, await visits.begin(begun.flow), cookieOptions);
    res.redirect(303, begun.url);
  });

  router.get('/callback', async (req, res) => {
    const asked = new URL(req.originalUrl, publicUrl).searchParams;
    const flow = await visits.flowOf(cookieOf(req, FLOW), asked.get('state'));
    res.clearCookie(FLOW, cookieOptions);
    const code = asked.get('code');
    if (flow === undefined || code === null) return show(res, 403, (nonce) => signedOutPage(nonce, 'sign-in-refused'));
    const signedIn = await cis2.finish(code, flow);
    if (!signedIn.ok) {
      log.warn('sign-in.session.refused', { code: signedIn.code });
      return show(res, signedIn.code === 'cis2-unavailable' ? 503 : 403, (nonce) =>
        signedOutPage(nonce, signedIn.code),
      );
    }
    const opened = await engine.openSession(signedIn.idToken);
    // Whom e-RS takes the token for is who sends: it must be the one who stood before CIS2.
    if (opened.ok && opened.value.sdsUserId !== signedIn.sdsUserId) {
      log.error('sign-in.session.refused', { code: 'sign-in-refused' });
      return show(res, 403, (nonce) => signedOutPage(nonce, 'sign-in-refused'));
    }
    if (!opened.ok) {
      log.warn('sign-in.session.refused', { code: opened.code });
      return show(res, 403, (nonce) => signedOutPage(nonce, opened.code));
    }
    visits.close(cookieOf(req, SESSION));
    res.cookie(SESSION, visits.open(opened.value), { ...cookieOptions, sameSite: 'lax' });
    log.info('sign-in.session.opened');
    res.redirect(303, '/sign-in');
  });

  router.post('/role', async (req, res) => {
    const sent = formOf(req, res);
    if (sent === undefined) return;
    const choice = choicesOf(sent.visit)[Number(sent.form.get('role') ?? '')];
    const onBehalfOf = /^\d{1,20}$/.exec(sent.form.get('onBehalfOf') ?? '')?.[0];
    sent.visit.acts = actsAs(sent.visit, choice, onBehalfOf);
    sent.visit.shown = { own: [], nobodys: [] };
    res.redirect(303, '/sign-in');
  });

  router.post('/send', async (req, res) => {
    const sent = formOf(req, res);
    if (sent === undefined) return;
    const { acts, shown } = sent.visit;
    // What is signed is what the page has shown, not what has come since.
    const wanted = sent.form.get('what') === 'nobodys' ? shown.nobodys : shown.own;
    const taskIds = wanted.map(({ taskId }) => taskId);
    if (acts === undefined || taskIds.length === 0) return res.redirect(303, '/sign-in');
    sent.visit.shown = { own: [], nobodys: [] };
    const signed = await engine.signAndSend(acts, {
      taskIds,
      shown: Object.fromEntries(wanted.map(({ taskId, id }) => [taskId, id])),
      waitMs: SEND_WAIT_MS,
    });
    if (!signed.ok) {
      const { code } = signed;
      if (code === 'ERS_USER_SESSION_ENDED') {
        visits.close(cookieOf(req, SESSION));
        return show(res, 401, (nonce) => signedOutPage(nonce, code));
      }
      return show(res, 403, (nonce) =>
        resultPage(
          nonce,
          taskIds.map((taskId) => ({ taskId, outcome: code === 'engine-answer-lost' ? 'under-way' : 'waiting', code })),
        ),
      );
    }
    show(res, 200, (nonce) => resultPage(nonce, signed.value));
  });

  router.post('/out', (req, res) => {
    if (formOf(req, res) === undefined) return;
    visits.close(cookieOf(req, SESSION));
    res.clearCookie(SESSION, cookieOptions);
    res.redirect(303, '/sign-in');
  });
  return router;
}

const choicesOf = ({ opened }: Visit): readonly Choice[] =>
  opened.roles.flatMap(({ organisation, businessFunctions }) =>
    businessFunctions
      .filter((one) => REVIEWER_ROLES.includes(one))
      .map((businessFunction) => ({ organisation, businessFunction })),
  );

/** The session in a role; undefined where it lacks whom an administrator acts for. */
function actsAs({ opened }: Visit, choice: Choice | undefined, onBehalfOf?: string): UserSession | undefined {
  if (choice === undefined) return undefined;
  const session = { token: opened.token, ...choice };
  if (choice.businessFunction !== CLINICIAN_ADMIN) return session;
  return onBehalfOf === undefined ? undefined : { ...session, onBehalfOf };
}

function counted(waiting: readonly WaitingDecision[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { decision } of waiting) counts.set(decision, (counts.get(decision) ?? 0) + 1);
  return counts;
}

/** Source: RFC 6265 4.2 */
function cookieOf(req: Request, name: string): string | undefined {
  const pairs = (req.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='));
  return pairs.find(([key]) => key === name)?.[1];
}

function isEqual(given: string, wanted: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(wanted)];
  return one.length === other.length && timingSafeEqual(one, other);
}
