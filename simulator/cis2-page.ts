import type { User } from './world.ts';

/** Text for HTML, in elements and in quoted attributes. */
const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** What a smartcard and a passcode are elsewhere: a choice of synthetic people. */
export function loginPage(asked: URLSearchParams, users: readonly User[]): string {
  const hidden = [...asked]
    .map(([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`)
    .join('');
  const people = users
    .map(({ sdsUserId, roles }, index) => {
      const label = `${escaped(sdsUserId)} (${escaped(roles.join(', '))})`;
      return `<p><label><input type="radio" name="user" value="${escaped(sdsUserId)}"${index === 0 ? ' checked' : ''}> ${label}</label></p>`;
    })
    .join('');
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Simulated NHS CIS2</title>
<style>body{font:1rem sans-serif;margin:2rem;max-width:40rem}</style></head><body>
<h1>Simulated NHS CIS2</h1><p>Nobody here is real. Choose who signs in.</p>
<form method="post" action="sign-in">${hidden}${people}
<p><label>Authentication assurance level <select name="aal"><option>3</option><option>2</option><option>1</option></select></label></p>
<p><button type="submit">Sign in</button> <button type="submit" name="user" value="">Cancel</button></p></form></body></html>`;
}
