/** As much of a browser as pages without scripts need: cookies, redirects, links, forms. */
export interface Page {
  readonly status: number;
  readonly url: string;
  readonly html: string;
  readonly headers: Headers;
}

export class Browser {
  readonly #jars = new Map<string, Map<string, string>>();

  async open(url: string, form?: Record<string, string>): Promise<Page> {
    let [next, body] = [url, form && new URLSearchParams(form)];
    for (let hops = 0; hops < 10; hops += 1) {
      const { origin } = new URL(next);
      const jar = this.#jars.get(origin) ?? new Map<string, string>();
      this.#jars.set(origin, jar);
      const answer: Response = await fetch(next, {
        method: body === undefined ? 'GET' : 'POST',
        redirect: 'manual',
        headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
        ...(body === undefined ? {} : { body }),
      });
      for (const line of answer.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
        if (value === '') jar.delete(name);
        else jar.set(name, value);
      }
      const location = answer.headers.get('location');
      if (location === null)
        return { status: answer.status, url: next, html: await answer.text(), headers: answer.headers };
      next = new URL(location, next).href;
      body = undefined;
    }
    throw new Error('too many redirects');
  }

  /** Follows a link, or sends the form with that action, its hidden fields included. */
  click(page: Page, id: string): Promise<Page> {
    const [, href = ''] = new RegExp(`id="${id}" href="([^"]+)"`).exec(page.html) ?? [];
    return this.open(new URL(unescaped(href), page.url).href);
  }

  submit(page: Page, action: string, fields: Record<string, string> = {}): Promise<Page> {
    const form = [...page.html.matchAll(/<form method="post" action="([^"]+)">([\s\S]*?)<\/form>/g)].find(
      ([, to]) => to === action,
    );
    if (form === undefined) throw new Error(`no form ${action} on the page`);
    const hidden = [...(form[2] ?? '').matchAll(/type="hidden" name="([^"]*)" value="([^"]*)"/g)];
    const given = Object.fromEntries(hidden.map(([, name = '', value = '']) => [unescaped(name), unescaped(value)]));
    return this.open(new URL(action, page.url).href, { ...given, ...fields });
  }

  cookies(origin: string): ReadonlyMap<string, string> {
    return this.#jars.get(origin) ?? new Map();
  }
}

const unescaped = (text: string): string =>
  text.replace(/&#(\d+);/g, (_whole, code: string) => String.fromCharCode(Number(code)));
