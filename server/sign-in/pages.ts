import { CLINICIAN, CLINICIAN_ADMIN, CODES, type Code, type SignedDecision, type UserSession } from '../core/index.ts';

/** Text for HTML, in elements and in quoted attributes. Source: OWASP, output encoding */
const text = (words: string): string => words.replace(/[&<>"'`]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** A page without scripts; `nonce` lets its one style in. */
function page(nonce: string, title: string, content: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${text(title)}</title>
<style nonce="${nonce}">
body{font:1.1rem/1.5 sans-serif;margin:2rem auto;max-width:42rem;padding:0 1rem;color:#212b32}
button,.button{font:inherit;background:#005eb8;color:#fff;border:0;border-radius:4px;padding:.6rem 1rem;text-decoration:none}
button:focus,.button:focus,input:focus,select:focus{outline:4px solid #ffeb3b}
.quiet{background:#4c6272}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #aeb7bd}
</style></head><body><main><h1>${text(title)}</h1>
${content}</main></body></html>`;
}

const words = (code: Code): string => `${text(CODES[code].happened)} ${text(CODES[code].remedy)}`;
const hidden = (formToken: string): string => `<input type="hidden" name="formToken" value="${text(formToken)}">`;

export const signedOutPage = (nonce: string, notice?: Code): string =>
  page(
    nonce,
    'Sign and send decisions',
    `${notice === undefined ? '' : `<p role="alert" id="notice">${words(notice)} Nothing was sent.</p>`}
<p>Decisions on e-RS referrals that wait for you go to e-RS in your own session.</p>
<p><a class="button" id="sign-in" href="/sign-in/start">Sign in with NHS CIS2</a></p>`,
  );

/** A role in which a clinician may send. */
export interface Choice {
  readonly organisation: string;
  readonly businessFunction: string;
}

export interface Shown {
  readonly formToken: string;
  readonly sdsUserId: string;
  readonly choices: readonly Choice[];
  readonly acts: UserSession | undefined;
  /** How many wait, by decision; absent: e-RS was not asked, or `notice` says why not. */
  readonly own?: ReadonlyMap<string, number>;
  readonly nobodys?: ReadonlyMap<string, number>;
  readonly notice?: Code;
}

const NAMES: Readonly<Record<string, string>> = {
  [CLINICIAN]: 'clinician',
  [CLINICIAN_ADMIN]: 'clinician’s administrator',
};

/** The page of somebody who is signed in: as what they act, what waits, and the button. No patient is named on it. */
export function signedInPage(nonce: string, shown: Shown): string {
  const { formToken, notice, own, nobodys, choices } = shown;
  const parts = [
    notice === undefined ? '' : `<p role="alert" id="notice">${words(notice)}</p>`,
    `<p>Signed in: user ${text(shown.sdsUserId)}.</p>`,
    choices.length === 0
      ? `<p role="alert" id="no-role">e-RS knows no role of yours that may send decisions, so nothing can be sent.</p>`
      : roleForm(shown),
    own === undefined ? '' : waitingForm('own', 'Your decisions that wait', own, formToken, 'Sign and send'),
    nobodys === undefined || nobodys.size === 0
      ? ''
      : waitingForm(
          'nobodys',
          'Decisions whose decider is not known',
          nobodys,
          formToken,
          'Take over as mine, sign and send',
        ),
    `<form method="post" action="/sign-in/out">${hidden(formToken)}<p><button class="quiet" id="sign-out">Sign out</button></p></form>`,
  ];
  return page(nonce, 'Sign and send decisions', parts.join('\n'));
}

function roleForm({ choices, acts, formToken }: Shown): string {
  const options = choices.map(({ organisation, businessFunction }, index) => {
    const isChosen = acts?.organisation === organisation && acts.businessFunction === businessFunction;
    const label = `${NAMES[businessFunction] ?? businessFunction}, ${organisation}`;
    return `<option value="${index}"${isChosen ? ' selected' : ''}>${text(label)}</option>`;
  });
  return `<form method="post" action="/sign-in/role">${hidden(formToken)}
<p><label>Act as <select name="role" id="role">${options.join('')}</select></label>
<label>on behalf of (administrators: SDS user id) <input name="onBehalfOf" id="on-behalf-of" inputmode="numeric" pattern="[0-9]{1,20}" value="${text(acts?.onBehalfOf ?? '')}"></label>
<button class="quiet" id="act">Act so</button></p></form>`;
}

function waitingForm(
  id: string,
  title: string,
  counts: ReadonlyMap<string, number>,
  formToken: string,
  button: string,
): string {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const rows = [...counts].map(([decision, count]) => `<tr><td>${text(decision)}</td><td>${count}</td></tr>`).join('');
  const form =
    total === 0
      ? ''
      : `<table><thead><tr><th>Decision</th><th>Waiting</th></tr></thead><tbody>${rows}</tbody></table>
<form method="post" action="/sign-in/send">${hidden(formToken)}<p><button name="what" value="${id}" id="send-${id}">${text(button)}</button></p></form>`;
  return `<h2>${text(title)}: <span id="count-${id}">${total}</span></h2>\n${form}`;
}

const OUTCOMES: Readonly<Record<SignedDecision['outcome'], string>> = {
  sent: 'e-RS has recorded it',
  waiting: 'not sent; it waits on',
  'given-back': 'e-RS refused it; the Task is open again and says why',
  'under-way': 'under way; the Task will tell',
  'not-waiting': 'there was nothing to send',
};

/** What became of the decisions, in counts and reasons. */
export function resultPage(nonce: string, results: readonly SignedDecision[]): string {
  const counts = new Map<string, number>();
  for (const { outcome, code } of results) {
    const line = `${OUTCOMES[outcome]}${code === undefined ? '' : ` – ${CODES[code].happened} ${CODES[code].remedy}`}`;
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  const rows = [...counts].map(([line, count]) => `<tr><td>${count}</td><td>${text(line)}</td></tr>`).join('');
  const sent = results.filter(({ outcome }) => outcome === 'sent').length;
  return page(
    nonce,
    'What became of your decisions',
    `<p id="result">${sent} of ${results.length} sent.</p>
<table id="outcomes"><tbody>${rows}</tbody></table><p><a class="button" id="back" href="/sign-in">Back</a></p>`,
  );
}
