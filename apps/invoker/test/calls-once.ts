import { AddressGuard } from '@cf/service-kit';
import { CustomerHttp } from '../src/http/customer-http.js';
import { hostResolver } from '../src/http/resolve-host.js';

/** A process of its own for a spec: calls the URL of its first argument and prints how it went. */
const guard = new AddressGuard({ allowed: ['127.0.0.0/8'], denied: [] });
const http = new CustomerHttp({
  dialing: { guard, resolve: hostResolver({ servers: [] }), onRefused: () => undefined },
  connectionsMax: 1,
  poolsMax: 1,
});
const { origin, pathname } = new URL(process.argv[2] ?? '');
const { status, failure } = await http.post({
  orgId: 'a',
  target: { origin, path: pathname, headers: [], tls: null },
  headers: {},
  body: '',
  budgetMs: 5_000,
});
process.stdout.write(JSON.stringify({ status, failure }));
await http.close();
