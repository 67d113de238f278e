/** Each example of docs/verifying-signatures.md in its own language, against calls that the real service signed. */
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sameId } from '@cf/contract';
import { type CustomerCall, CustomerEndpoint } from '@cf/testing';
import { medchatSignature } from '../src/signing/medchat-signature.js';
import { standardWebhooksSignature } from '../src/signing/standard-webhooks-signature.js';
import { keyRing, RunningInvoker } from './running-invoker.js';

const examples = join(import.meta.dirname, '../../../docs/examples/verify');
const built = mkdtempSync(join(tmpdir(), 'cf-verify-'));
const isThere = (command: string, argument: string): boolean => spawnSync(command, [argument], { stdio: 'ignore' }).status === 0;

interface Language {
  readonly name: string;
  readonly toolchain: readonly [string, string];
  readonly build?: readonly string[];
  readonly run: readonly string[];
}

const languages: readonly Language[] = [
  { name: 'Node', toolchain: [process.execPath, '--version'], run: [process.execPath, join(examples, 'verify.mjs')] },
  { name: 'Python', toolchain: ['python3', '--version'], run: ['python3', join(examples, 'verify.py')] },
  {
    name: 'Go',
    toolchain: ['go', 'version'],
    build: ['go', 'build', '-o', join(built, 'verify'), join(examples, 'verify.go')],
    run: [join(built, 'verify')],
  },
  {
    name: 'Java',
    toolchain: ['javac', '-version'],
    build: ['javac', '-d', built, join(examples, 'Verify.java')],
    run: ['java', '-XX:TieredStopAtLevel=1', '-cp', built, 'Verify'],
  },
  {
    name: 'C#',
    toolchain: ['dotnet', '--version'],
    build: ['dotnet', 'build', join(examples, 'Verify.csproj'), '-o', join(built, 'dotnet'), `-p:BaseIntermediateOutputPath=${built}/obj/`],
    run: ['dotnet', join(built, 'dotnet', 'Verify.dll')],
  },
];

const secrets = { medchat: 'dGhpcy1pcy1hLXRlc3Qtc2VjcmV0LTMyLWJ5dGVzISE=', 'standard-webhooks': 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' };
const previous = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
type Scheme = keyof typeof secrets;
interface Signed {
  readonly scheme: Scheme;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const describeWith = ({ name, toolchain }: Language, specs: () => void): void => {
  if (isThere(...toolchain)) return describe(name, specs);
  process.stderr.write(`\nSKIPPED without its toolchain: the verification example in ${name}\n`);
  describe.skip(name, specs);
};

describe('a signature is verified by the example in', () => {
  let invoker: RunningInvoker;
  let endpoint: CustomerEndpoint;
  const signed = {} as Record<Scheme, Signed>;

  const signedCall = async (scheme: Scheme): Promise<Signed> => {
    const orgId = await invoker.addOrganization();
    const id = randomUUID();
    const seal = (text: string): string => keyRing.seal(text, `${sameId(orgId)}:${id}`);
    const rotating = { sealedSecret: seal(previous), expiresAt: new Date(Date.now() + 60_000).toISOString() };
    const signing = {
      enabled: true,
      scheme,
      sealedSecret: seal(secrets[scheme]),
      previous: scheme === 'medchat' ? null : rotating,
    };
    const api = await invoker.setApi(orgId, `${endpoint.url}/Base`);
    const cloudFunction = await invoker.setFunction(api, { id, signing, endpointUrl: `${scheme}?a=1&b=%C3%A9` });
    await invoker.run(invoker.trigger(cloudFunction, { body: '{"type":"ChatOpened", "é":"😀","n":12345678901234567890}' }));
    const call = endpoint.callsTo(`/Base/${scheme}`)[0] as CustomerCall;
    const names = scheme === 'medchat' ? ['date', 'x-medchat-signature-sha256'] : ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
    const headers = Object.fromEntries(names.map((name) => [name, String(call.headers[name])]));
    return { scheme, path: call.url, headers, body: call.body.toString() };
  };

  beforeAll(async () => {
    [invoker, endpoint] = await Promise.all([RunningInvoker.start(), CustomerEndpoint.start()]);
    signed.medchat = await signedCall('medchat');
    signed['standard-webhooks'] = await signedCall('standard-webhooks');
  });
  afterAll(async () => {
    await endpoint?.close();
    await invoker?.stop();
    rmSync(built, { recursive: true, force: true });
  });

  const old = ({ scheme, path, body }: Signed): Record<string, string> => {
    const atMs = Date.now() - 10 * 60_000;
    if (scheme === 'medchat') {
      const signature = medchatSignature(secrets.medchat, { path, body, atMs });
      return { date: new Date(atMs).toUTCString(), 'x-medchat-signature-sha256': signature };
    }
    const key = Buffer.from(secrets['standard-webhooks'].slice(6), 'base64');
    const signature = standardWebhooksSignature(key, { invocationId: 'id', body, atMs });
    return { 'webhook-id': 'id', 'webhook-timestamp': String(Math.floor(atMs / 1_000)), 'webhook-signature': `v1,${signature}` };
  };

  for (const language of languages) {
    describeWith(language, () => {
      beforeAll(() => {
        if (language.build === undefined) return;
        const [command = '', ...rest] = language.build;
        const environment = { ...process.env, GO111MODULE: 'off', GOTOOLCHAIN: 'local' };
        const result = spawnSync(command, rest, { encoding: 'utf8', env: environment });
        if (result.status !== 0) throw new Error(`${language.name} did not build: ${result.stdout}${result.stderr}`);
      }, 120_000);

      const verify = ({ scheme, path, headers, body }: Signed, secret: string = secrets[scheme]): Promise<[number | null, string]> =>
        new Promise((resolve) => {
          const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
          const [command = '', ...rest] = language.run;
          const child = spawn(command, [...rest, scheme, secret, path, ...lines], { stdio: ['pipe', 'pipe', 'inherit'] });
          let output = '';
          child.stdout.on('data', (chunk) => (output += String(chunk)));
          child.on('close', (code) => resolve([code, output.trim()]));
          child.stdin.end(body);
        });

      it.each(['medchat', 'standard-webhooks'] as const)(
        '%s: what was signed, and nothing else',
        async (scheme) => {
          const request = signed[scheme];
          const otherPath = { ...request, path: request.path.replace('a=1', 'a=2') };
          expect(await verify(request)).toEqual([0, 'valid']);
          if (scheme === 'standard-webhooks') expect(await verify(request, previous)).toEqual([0, 'valid']);
          const refusals = await Promise.all([
            verify({ ...request, body: request.body.replace('ChatOpened', 'ChatClosed') }),
            verify({ ...request, headers: old(request) }),
            verify(request, 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'),
            ...(scheme === 'medchat' ? [verify(otherPath)] : []),
          ]);
          expect(refusals).toEqual(refusals.map(() => [1, 'refused']));
        },
        60_000,
      );
    });
  }

  it('the document, which has them all', () => {
    const text = readFileSync(join(examples, '../../verifying-signatures.md'), 'utf8');
    for (const file of ['verify.mjs', 'verify.py', 'verify.go', 'Verify.java', 'Verify.cs'])
      expect(text).toContain(`(examples/verify/${file})`);
    const vector = { path: '/webhook?foo=bar', body: '{"type":"ChatOpened","orgId":"11111111-1111-1111-1111-111111111111"}' };
    expect(text).toContain(vector.body);
    expect(text).toContain(medchatSignature(secrets.medchat, { ...vector, atMs: Date.parse('Fri, 20 Nov 2020 16:00:00 GMT') }));
  });
});
