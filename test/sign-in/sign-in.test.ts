import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startWorld, type World } from '../journeys/world.ts';
import { businessStatusOf } from '../sign-in.ts';
import { Browser, type Page } from './browser.ts';

const CLINICIAN = '555000000101';
const WITHOUT_ROLE = '555000000301';

describe('/sign-in', () => {
  let world: World;
  let browser: Browser;
  beforeEach(async () => {
    world = await startWorld({ referrals: 0, isSignedIn: false });
    browser = new Browser();
  });
  afterEach(async () => world[Symbol.asyncDispose]());

  async function waiting(count: number): Promise<string[]> {
    const service = world.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id;
    const ubrns: string[] = [];
    for (let n = 0; n < count; n += 1)
      ubrns.push((await world.control<{ ubrn: string }>('POST', 'referrals', { kind: 'booked-direct', service })).ubrn);
    await world.settled();
    for (const ubrn of ubrns)
      await world.patch(await world.taskOf(ubrn), [{ op: 'replace', path: '/status', value: 'accepted' }]);
    await world.settled();
    return ubrns;
  }
  const start = () => browser.open(`${world.product.url}/sign-in`);
  async function signInAs(user: string, fields: Record<string, string> = {}): Promise<Page> {
    const login = await browser.click(await start(), 'sign-in');
    expect(login.url).toContain('/cis2/authorize');
    return browser.submit(login, 'sign-in', { user, ...fields });
  }
  const statuses = (ubrns: readonly string[]) =>
    Promise.all(ubrns.map(async (ubrn) => businessStatusOf(await world.taskOf(ubrn))));
  const accepts = async () => (await world.calls('A013')).length;

  test('4.7: a clinician signs in at CIS2, sees what waits, and sends it', async () => {
    const ubrns = await waiting(3);
    const page = await signInAs(CLINICIAN);
    expect([page.status, page.url]).toEqual([200, `${world.product.url}/sign-in`]);
    expect(page.html).toContain('<span id="count-own">0</span>');
    expect(page.html).toContain('<span id="count-nobodys">3</span>');
    expect(await accepts()).toBe(0);
    const result = await browser.submit(page, '/sign-in/send', { what: 'nobodys' });
    expect(result.html).toContain('3 of 3 sent');
    expect(await statuses(ubrns)).toEqual(['accepted', 'accepted', 'accepted']);
    expect((await world.calls('A013')).map(({ mode }) => mode)).toEqual(['user', 'user', 'user']);
    const after = await browser.open(`${world.product.url}/sign-in`);
    expect(after.html).toContain(CLINICIAN);
    const out = await browser.submit(after, '/sign-in/out');
    expect(out.html).not.toContain(CLINICIAN);
  }, 60_000);

  test('4.7: what is signed is what was seen: a decision that came later is not sent by the button', async () => {
    const [first = ''] = await waiting(1);
    const page = await signInAs(CLINICIAN);
    const [later = ''] = await waiting(1);
    await browser.submit(page, '/sign-in/send', { what: 'nobodys' });
    expect(await statuses([first, later])).toEqual(['accepted', 'awaiting-user-authorisation']);
  }, 60_000);

  test('4.7: what is signed is what was seen: a decision that took the place of one of those is not sent by the button', async () => {
    const [ubrn = ''] = await waiting(1);
    const page = await signInAs(CLINICIAN);
    for (const status of ['received', 'accepted'])
      await world.patch(await world.taskOf(ubrn), [{ op: 'replace', path: '/status', value: status }]);
    await world.settled();
    expect(await statuses([ubrn])).toEqual(['awaiting-user-authorisation']);
    await browser.submit(page, '/sign-in/send', { what: 'nobodys' });
    expect([await accepts(), await statuses([ubrn])]).toEqual([0, ['awaiting-user-authorisation']]);
    const again = await browser.open(`${world.product.url}/sign-in`);
    await browser.submit(again, '/sign-in/send', { what: 'nobodys' });
    expect([await accepts(), await statuses([ubrn])]).toEqual([1, ['accepted']]);
  }, 60_000);

  test('4.7: a session that was revoked sends nothing, says why, and is gone', async () => {
    const ubrns = await waiting(1);
    const page = await signInAs(CLINICIAN);
    await world.control('DELETE', `users/${CLINICIAN}`);
    const result = await browser.submit(page, '/sign-in/send', { what: 'nobodys' });
    expect(result.status).toBe(401);
    expect(result.html).toContain('session with e-RS has ended');
    expect([await accepts(), await statuses(ubrns)]).toEqual([0, ['awaiting-user-authorisation']]);
  }, 60_000);

  test('4.7: a session that expired sends nothing and says why', async () => {
    const ubrns = await waiting(1);
    const page = await signInAs(CLINICIAN);
    await world.control('POST', 'clock', { advanceSeconds: 700 });
    const result = await browser.submit(page, '/sign-in/send', { what: 'nobodys' });
    expect([result.status, await accepts(), await statuses(ubrns)]).toEqual([401, 0, ['awaiting-user-authorisation']]);
    expect(result.html).toContain('session with e-RS has ended');
  }, 60_000);

  test('4.7: the wrong person is told that e-RS knows no role of theirs, and can send nothing', async () => {
    await waiting(1);
    const page = await signInAs(WITHOUT_ROLE);
    expect(page.html).toContain('id="no-role"');
    expect(page.html).not.toContain('action="/sign-in/send"');
    expect(await accepts()).toBe(0);
  }, 60_000);

  test('whoever signed in too weakly is told so, and e-RS is not asked', async () => {
    const page = await signInAs(CLINICIAN, { aal: '1' });
    expect([page.status, await world.calls('A030')]).toEqual([403, []]);
    expect(page.html).toContain('not strong enough');
  }, 60_000);

  test('whoever cancels is signed in nowhere', async () => {
    const page = await signInAs('');
    expect([page.status, page.html.includes('signed nobody in')]).toEqual([403, true]);
  }, 60_000);

  test('a sign-in that another browser began is worth nothing here (login CSRF), and its code is good once', async () => {
    const login = await browser.click(await start(), 'sign-in');
    const other = new Browser();
    const theirs = await other.click(await other.open(`${world.product.url}/sign-in`), 'sign-in');
    const fields = [...theirs.html.matchAll(/type="hidden" name="([^"]*)" value="([^"]*)"/g)];
    const asked = Object.fromEntries(
      fields.map(([, name = '', value = '']) => [
        name,
        value.replace(/&#(\d+);/g, (_w, c) => String.fromCharCode(Number(c))),
      ]),
    );
    const answer = await fetch(new URL('sign-in', login.url), {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ ...asked, user: CLINICIAN }),
    });
    const callback = answer.headers.get('location') ?? '';
    expect(callback).toContain('code=');
    expect((await browser.open(callback)).status).toBe(403);
    expect((await other.open(callback)).status).toBe(200);
    expect((await other.open(callback)).status).toBe(403);
  }, 60_000);

  test('a form of another site sends nothing (CSRF), and no cookie of a session can be read by scripts', async () => {
    await waiting(1);
    await signInAs(CLINICIAN);
    const forged = await browser.open(`${world.product.url}/sign-in/send`, { what: 'nobodys', formToken: 'guessed' });
    expect([forged.status, await accepts()]).toEqual([403, 0]);
    const started = await fetch(`${world.product.url}/sign-in/start`, { redirect: 'manual' });
    expect(started.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Lax/);
  }, 60_000);

  test('P1: the pages have no scripts and may be framed by nobody; no token and no patient stands in page, URL or log', async () => {
    const [ubrn = ''] = await waiting(1);
    const page = await signInAs(CLINICIAN);
    expect(page.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'nonce-.*frame-ancestors 'none'/,
    );
    expect(page.html).not.toMatch(/<script|onclick/);
    expect(page.html).not.toContain(ubrn);
    const session = browser.cookies(world.product.url).get('ers-session') ?? 'none';
    const lines = JSON.stringify(world.log);
    expect(lines).not.toContain(session);
    expect(lines).not.toMatch(/eyJ|code=|555000000101/);
  }, 60_000);

  test('CIS2 that does not answer is said', async () => {
    const page = await start();
    await world.simulator.close();
    const refused = await browser.click(page, 'sign-in');
    expect([refused.status, refused.html.includes('NHS CIS2 did not answer')]).toEqual([503, true]);
  }, 60_000);
});
