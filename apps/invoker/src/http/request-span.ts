import { beginSpan, type OpenSpan } from '@cf/messaging';

type Attributes = Readonly<Record<string, string | number>>;

/** The span of a POST to somebody else's server, as OpenTelemetry names things; without path and query, since a query may hold a key. */
export const beginRequestSpan = (name: string, origin: string, parent: string | undefined, attributes: () => Attributes): OpenSpan =>
  beginSpan(name, 'client', parent, () => {
    const { hostname, port, protocol } = new URL(origin);
    const serverPort = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
    return { 'http.request.method': 'POST', 'server.address': hostname, 'server.port': serverPort, ...attributes() };
  });
