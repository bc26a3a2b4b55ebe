import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Browser, chromium, type Page } from 'playwright-core';
import { CODE_SYSTEM } from '../../mappings/index.ts';
import { startWorld, type World } from '../journeys/world.ts';
import { businessStatusOf } from '../sign-in.ts';

const CLINICIAN = '555000000101';
const reject = [
  { op: 'replace', path: '/status', value: 'rejected' },
  {
    op: 'add',
    path: '/statusReason',
    value: {
      coding: [{ system: CODE_SYSTEM.appointmentCancellationReason, code: 'SERVICE_INAPPROPRIATE' }],
    },
  },
];
const redirect = [
  { op: 'replace', path: '/status', value: 'accepted' },
  {
    op: 'add',
    path: '/statusReason',
    value: {
      coding: [{ system: CODE_SYSTEM.reviewOutcome, code: 'CANCEL_APPOINTMENT_ACTION_LATER' }],
    },
  },
  { op: 'add', path: '/note', value: [{ text: 'Please rebook into the other clinic.' }] },
];

describe('in a real browser', () => {
  let browser: Browser;
  let world: World;
  let page: Page;
  /** What the browser complained of: a style or form that the policy forbids, a script that failed. */
  let complaints: string[];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '', args: ['--no-sandbox'] });
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    world = await startWorld({ referrals: 0, isSignedIn: false });
    page = await (await browser.newContext()).newPage();
    complaints = [];
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('favicon')) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
  });
  afterEach(async () => {
    await page.context().close();
    await world[Symbol.asyncDispose]();
  });

  async function waiting(): Promise<{ rejected: string; redirected: string }> {
    const service = world.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id;
    const refer = async () =>
      (await world.control<{ ubrn: string }>('POST', 'referrals', { kind: 'booked-direct', service })).ubrn;
    const [rejected, redirected] = [await refer(), await refer()];
    await world.settled();
    for (const [ubrn, decision] of [
      [rejected, reject],
      [redirected, redirect],
    ] as const) {
      const answer = await world.patch(await world.taskOf(ubrn), decision);
      if (!answer.ok) throw new Error(await answer.text());
    }
    await world.settled();
    return { rejected, redirected };
  }

  async function signIn(user: string): Promise<void> {
    await page.goto(`${world.product.url}/sign-in`);
    await page.click('#sign-in');
    await page.check(`input[value="${user}"]`);
    await page.click('button:has-text("Sign in")');
    await page.waitForURL(`${world.product.url}/sign-in`);
  }
  const statusOf = async (ubrn: string) => businessStatusOf(await world.taskOf(ubrn));

  test('4.7: a clinician signs in at CIS2, and reject and redirect go in one session at the press of a button', async () => {
    const { rejected, redirected } = await waiting();
    expect(await statusOf(rejected)).toBe('awaiting-user-authorisation');
    await signIn(CLINICIAN);
    expect(await page.textContent('#count-nobodys')).toBe('2');
    await page.click('#send-nobodys');
    expect(await page.textContent('#result')).toBe('2 of 2 sent.');
    expect([await statusOf(rejected), await statusOf(redirected)]).toEqual(['rejected', 'redirected']);
    expect((await world.control<{ state: string }>('GET', `referrals/${rejected}`)).state).toBe('REJECTED');
    await page.click('#back');
    await page.click('#sign-out');
    expect(await page.locator('#sign-in').count()).toBe(1);
    expect(complaints).toEqual([]);
  });

  test('4.7: a session that was revoked sends nothing and says why', async () => {
    const { rejected } = await waiting();
    await signIn(CLINICIAN);
    await world.control('DELETE', `users/${CLINICIAN}`);
    await page.click('#send-nobodys');
    expect(await page.textContent('#notice')).toContain('session with e-RS has ended');
    expect([await statusOf(rejected), (await world.calls('A014')).length]).toEqual(['awaiting-user-authorisation', 0]);
  });

  test('4.7: the wrong person sends nothing and is told why', async () => {
    await waiting();
    await signIn('555000000301');
    expect(await page.textContent('#no-role')).toContain('nothing can be sent');
    expect(await page.locator('#send-nobodys').count()).toBe(0);
  });

  test('a page of another site cannot press the button', async () => {
    const { rejected } = await waiting();
    await signIn(CLINICIAN);
    const other = await page.context().newPage();
    await other.route('http://other.example/', (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: `<form method="post" action="${world.product.url}/sign-in/send"><input name="what" value="nobodys"><button>x</button></form>`,
      }),
    );
    await other.goto('http://other.example/');
    await other.click('button');
    await other.waitForURL(/sign-in\/send/);
    expect(await statusOf(rejected)).toBe('awaiting-user-authorisation');
  });
});
