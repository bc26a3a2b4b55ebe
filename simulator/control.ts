import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { Answer } from './answers.ts';
import type { Audit } from './audit.ts';
import type { Calls } from './calls.ts';
import { clockSchema, loadSchema, referralSchema, userSchema } from './control-schemas.ts';
import { applyEvent, eventSchema } from './events.ts';
import type { Faults } from './faults.ts';
import { faultSchema } from './faults.ts';
import type { LoadReport } from './load.ts';
import { loadFolder } from './load.ts';
import { createReferral } from './new-referral.ts';
import { attachmentsOf, availabilityOf, binaryIdOf, priorityOf, stateOf, versionOf } from './referral-document.ts';
import { refuseTriage } from './review-rules.ts';
import { settleFiles } from './scans.ts';
import type { Tokens } from './tokens.ts';
import { listsOf } from './worklists.ts';
import type { Referral, Service, World } from './world.ts';

/** What another process needs to call the pretend e-RS. */
export interface Credentials {
  apiKey: string;
  keyId: string;
  privateKeyPem: string;
  tokenAudience: string;
  odsCode: string;
}
export interface ControlDoor {
  world: World;
  calls: Calls;
  faults: Faults;
  audit: Audit;
  tokens: Tokens;
  credentials: Credentials & { baseUrl: string; tokenUrl: string; jwks: unknown };
}

const json = (status: number, value: unknown): Answer => ({
  status,
  headers: { 'Content-Type': 'application/json' },
  body: Buffer.from(JSON.stringify(value)),
});
const refuse = (status: number, error: string): Answer => json(status, { error });

/** What e-RS holds of a referral now, in short. */
export const describeReferral = (world: World, referral: Referral): Record<string, unknown> => {
  const { resource } = referral;
  const { state, reason, comments } = stateOf(resource);
  return {
    ubrn: resource.id,
    version: versionOf(resource),
    state,
    status: resource.status,
    reason: reason?.code,
    comments,
    priority: priorityOf(resource),
    worklists: listsOf(referral),
    isReviewed: referral.review === 'done',
    isTriageable: refuseTriage(referral, world) === undefined,
    decisions: referral.decisions,
    attachments: attachmentsOf(resource).map((document) => {
      const attachment = document.content?.[0]?.attachment;
      return {
        id: attachment?.id,
        binaryId: binaryIdOf(document),
        type: document.type?.coding?.[0]?.code,
        title: attachment?.title,
        contentType: attachment?.contentType,
        size: attachment?.size,
        availability: availabilityOf(document)?.code,
        description: document.description,
        sha1: sha1Of(world, binaryIdOf(document)),
      };
    }),
  };
};

/** Of the bytes that were uploaded; of a file that is made when asked for there are none. */
function sha1Of(world: World, binaryId: string): string | undefined {
  const content = world.files.get(binaryId)?.find((file) => file.content !== undefined)?.content;
  return content && createHash('sha1').update(content).digest('base64');
}

/** The services of the application's own organisation. */
export const servicesOf = (world: World): Omit<Service, 'odsCode'>[] =>
  [...world.services.values()]
    .filter(({ odsCode }) => odsCode === world.application.odsCode)
    .map(({ id, name, bookableType, lists }) => ({ id, name, bookableType, lists }));

/** Parses a body by its schema, and does something with it. */
function withBody<S extends z.ZodType>(schema: S, body: Buffer, act: (value: z.output<S>) => Answer): Answer {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return refuse(400, 'The body is not JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return act(parsed.data);
  return refuse(400, parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
}

/**
 * Answers the control door, which is no part of e-RS: tests, demos and other suppliers drive the far side with it.
 * Source: architecture, "The simulator's control door"
 */
export function answerControl(door: ControlDoor, method: string, url: URL, body: Buffer): Answer {
  const { world } = door;
  settleFiles(world);
  const [, , subject = '', ubrn, tail] = url.pathname.split('/');
  switch (`${method} ${subject}`) {
    case 'GET calls': {
      const after = Number(url.searchParams.get('after') ?? 0);
      if (!Number.isInteger(after) || after < 0) return refuse(400, 'after must be a sequence number');
      return json(200, { calls: door.calls.after(after, url.searchParams.get('bodies') === 'true') });
    }
    case 'GET referrals': {
      if (ubrn === undefined)
        return json(200, { referrals: [...world.referrals.values()].map((one) => describeReferral(world, one)) });
      const referral = world.referrals.get(ubrn);
      return referral ? json(200, describeReferral(world, referral)) : refuse(404, 'There is no such referral');
    }
    case 'POST referrals':
      return ubrn === undefined ? postReferral(world, body) : postEvent(world, ubrn, tail, body);
    case 'POST load':
      return withBody(loadSchema, body, ({ directory }) => json(200, tryToLoad(world, directory)));
    case 'POST users':
      return withBody(userSchema, body, (wish) => json(201, signIn(door, wish)));
    case 'DELETE users': {
      const user = world.users.get(ubrn ?? '');
      if (!user) return refuse(404, 'There is no such user');
      user.endedAt = Math.floor(world.clock.now().getTime() / 1000) + 1;
      door.tokens.signOut(user.sdsUserId);
      return { status: 204, headers: {} };
    }
    case 'POST faults':
      return withBody(faultSchema, body, (fault) => {
        door.faults.add(fault);
        return json(201, fault);
      });
    case 'GET faults':
      return json(200, { faults: door.faults.list() });
    case 'DELETE faults':
      door.faults.clear();
      return { status: 204, headers: {} };
    case 'GET clock':
      return json(200, { now: world.clock.now().toISOString() });
    case 'POST clock':
      return withBody(clockSchema, body, (wish) => {
        if ('now' in wish) world.clock.set(new Date(wish.now));
        else world.clock.advance(wish.advanceSeconds * 1000);
        settleFiles(world);
        return json(200, { now: world.clock.now().toISOString() });
      });
    case 'GET audit':
      return json(200, door.audit.report());
    case 'GET credentials':
      return json(200, door.credentials);
    case 'GET services':
      return json(200, { services: servicesOf(world) });
    default:
      return refuse(404, 'The control door does not know this call');
  }
}

function tryToLoad(world: World, directory: string): LoadReport | { error: string } {
  try {
    return loadFolder(world, directory);
  } catch (error) {
    return { error: Error.isError(error) ? error.message : 'The folder cannot be read' };
  }
}

const NEEDED_TYPE = {
  'booked-direct': 'DIRECTLY_BOOKABLE',
  'booked-indirect': 'INDIRECTLY_BOOKABLE',
  triage: 'TRIAGE',
} as const;

function postReferral(world: World, body: Buffer): Answer {
  return withBody(referralSchema, body, ({ service: id, relatedTo, count, ...wish }) => {
    const service = world.services.get(id);
    if (!service) return refuse(400, 'There is no such service');
    const needed = wish.kind === 'slot-issue' ? undefined : NEEDED_TYPE[wish.kind];
    if (needed && service.bookableType !== needed)
      return refuse(400, `The kind ${wish.kind} needs a service of the type ${needed}`);
    if (wish.kind === 'slot-issue' && !service.lists.includes('APPOINTMENT_SLOT_ISSUES'))
      service.lists.push('APPOINTMENT_SLOT_ISSUES');
    const related = relatedTo === undefined ? [] : [relatedTo].flat();
    const create = (): Referral => createReferral(world, { ...wish, service, relatedTo: related });
    if (count === undefined) return json(201, describeReferral(world, create()));
    return json(201, { ubrns: Array.from({ length: count }, () => create().resource.id) });
  });
}

function postEvent(world: World, ubrn: string, tail: string | undefined, body: Buffer): Answer {
  const referral = world.referrals.get(ubrn);
  if (!referral) return refuse(404, 'There is no such referral');
  if (tail !== 'events') return refuse(404, 'The control door does not know this call');
  return withBody(eventSchema, body, (event) => {
    const obstacle = applyEvent(world, referral, event);
    return obstacle ? refuse(409, obstacle) : json(200, describeReferral(world, referral));
  });
}

function signIn({ world, tokens }: ControlDoor, wish: z.output<typeof userSchema>): Record<string, unknown> {
  const lifeSeconds = wish.expiresInSeconds ?? 599;
  const user = {
    sdsUserId: wish.sdsUserId,
    roles: wish.roles,
    organisations: wish.organisations,
    onBehalfOf: wish.onBehalfOf === undefined ? [] : [wish.onBehalfOf].flat(),
    assurance: { ial: wish.ial ?? 3, aal: wish.aal ?? 3 },
    ...(wish.services && { services: wish.services }),
    ...(wish.expiresInSeconds !== undefined && { tokenSeconds: wish.expiresInSeconds }),
  };
  world.users.set(user.sdsUserId, user);
  return { ...tokens.signIn(user, lifeSeconds), expiresInSeconds: lifeSeconds, ...user };
}
