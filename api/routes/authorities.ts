import { z } from 'zod';
import type { ApiDeps } from '../deps';
import { HostCertificates } from '../host-certificates';
import { json, type Route, route } from '../route';

/** What signs the certificates by which hosts know each other. The first is made by itself. */
export function authorityRoutes({ store, siteId }: ApiDeps): Route[] {
  const hostCertificates = new HostCertificates(siteId, store);
  return [
    route({
      method: 'post',
      path: '/v1/authorities',
      tag: 'hosts',
      summary: 'Make a new authority for the certificates of the hosts',
      roles: ['operator'],
      body: json(
        z.object({
          distrustFormer: z
            .boolean()
            .default(false)
            .describe('Nothing that was signed before counts any more: for a key that was stolen'),
        }),
      ),
      responses: {
        201: {
          description: 'It is there, and trusted; from when on it signs',
          schema: z.object({ serial: z.int(), certificate: z.string(), signsFrom: z.int() }),
        },
      },
      handler: async ({ body }) => {
        const made = await hostCertificates.rotate(body.distrustFormer, Date.now());
        const { serial, certificate, signsFrom } = made;
        return { status: 201, body: { serial, certificate, signsFrom } };
      },
    }),
  ];
}
