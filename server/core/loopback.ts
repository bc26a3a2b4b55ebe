const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', '[::1]', 'localhost']);

/** Whether a host, of an address to bind to or of a URL, is this machine alone. */
export const isLoopback = (host: string): boolean => LOOPBACK.has(host);

/** Whether what goes to an http or https URL travels encrypted, or does not leave this machine. */
export const isSafeUrl = (url: string): boolean => url.startsWith('https:') || isLoopback(new URL(url).hostname);
