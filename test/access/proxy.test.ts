import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { createAccess } from '../../server/access/index.ts';
import type { Clock } from '../../server/core/index.ts';
import { dispatcherFor } from '../../server/product.ts';
import { startSiteIssuer } from './issuers.ts';

const AUDIENCE = 'https://facade.example/fhir/R4';
const clock: Clock = { now: () => new Date(), monotonicMs: () => 0, sleep: async () => undefined };

/** A proxy that notes which hosts it was asked to reach, and reaches them on this machine. */
async function startProxy() {
  const asked: string[] = [];
  const server = createServer((req, res) => {
    const target = new URL(req.url ?? '');
    asked.push(target.host);
    void fetch(`http://127.0.0.1:${target.port}${target.pathname}`).then(async (answer) => {
      res.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
    });
  });
  server.on('connect', (req, socket, head) => {
    asked.push(req.url ?? '');
    const to = connect(Number(req.url?.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      to.write(head);
      socket.pipe(to).pipe(socket);
    });
    to.on('error', () => socket.destroy());
    socket.on('error', () => to.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test.each([
  ['are fetched by way of the proxy', undefined, true],
  ['are fetched past the proxy where NO_PROXY names their host', 'localhost,.internal', false],
])('the keys of a site’s issuer %s', async (_, noProxy, isByProxy) => {
  await using proxy = await startProxy();
  await using site = await startSiteIssuer(AUDIENCE, () => new Date());
  const dispatcher = dispatcherFor({ proxy: proxy.url, ...(noProxy === undefined ? {} : { noProxy }) });
  const jwksUrl = site.jwksUrl.replace('127.0.0.1', 'localhost');
  const access = await createAccess(
    { kind: 'issuer', issuer: site.issuer, jwksUrl, audience: AUDIENCE, tokenUrl: undefined, clients: undefined },
    'https://facade.example',
    clock,
    dispatcher,
  );
  expect(await access.authenticate({ authorization: `Bearer ${await site.token()}` })).toMatchObject({ ok: true });
  expect(site.asked()).toBe(1);
  expect(proxy.asked).toEqual(isByProxy ? [new URL(jwksUrl).host] : []);
  await dispatcher.close();
});
