import { describe, expect, it } from '@jest/globals';
import type { FunctionSigning } from '@cf/contract';
import { writeCloudFunction } from './cloud-functions.schema.js';
import { mapSigningSecrets, sealSigning } from './seal-signing.js';

const seal = { seal: (plain: string): string => `sealed(${plain})`, open: (sealed: string): string => sealed.slice(7, -1) };
const NOW = Date.parse('2026-11-22T12:00:00.000Z');
const at = (hours: number): string => new Date(NOW + hours * 3_600_000).toISOString();
const whsec = (bytes: number): string => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`;

const stored = (part: Partial<FunctionSigning> = {}): FunctionSigning => ({
  enabled: true,
  scheme: 'medchat',
  sealedSecret: 'sealed(old)',
  previous: null,
  ...part,
});

const outcome = (signing: object, before: FunctionSigning | null) => {
  const request = writeCloudFunction.parse({
    name: 'F',
    registeredApiId: 'c1b2a3d4-0000-4000-8000-000000000001',
    endpointUrl: 'x',
    signing,
  });
  const sealed = sealSigning(request.signing, before, seal, NOW);
  return sealed.ok ? sealed.signing : sealed.errors.map(({ pointer, code }) => `${pointer} ${code}`);
};

describe('sealSigning', () => {
  it('signs in the platform’s own scheme unless told otherwise', () => {
    expect(outcome({ enabled: true, secret: 's' }, null)).toEqual(stored({ sealedSecret: 'sealed(s)' }));
    expect(outcome({ enabled: false }, null)).toEqual({ enabled: false, scheme: 'medchat', sealedSecret: null, previous: null });
    expect(outcome({ enabled: true }, null)).toEqual(['/signing/secret secret_required']);
    expect(outcome({ enabled: true, secret: null }, stored())).toEqual(['/signing/secret secret_required']);
  });

  it('puts a replaced secret aside for a day, or for as long as was asked', () => {
    expect(outcome({ enabled: true, secret: 'new' }, stored())).toEqual(
      stored({ sealedSecret: 'sealed(new)', previous: { sealedSecret: 'sealed(old)', expiresAt: at(24) } }),
    );
    expect(outcome({ enabled: true, secret: 'new', keepPreviousMs: 3_600_000 }, stored())).toMatchObject({
      previous: { expiresAt: at(1) },
    });
    expect(outcome({ enabled: true, secret: 'new', keepPreviousMs: 0 }, stored())).toMatchObject({ previous: null });
  });

  const rotating = stored({ sealedSecret: 'sealed(new)', previous: { sealedSecret: 'sealed(old)', expiresAt: at(5) } });

  it('goes on with a rotation while no other secret comes, and ends it when asked', () => {
    expect(outcome({ enabled: true }, rotating)).toEqual(rotating);
    expect(outcome({ enabled: true, secret: 'new' }, rotating)).toEqual(rotating);
    expect(outcome({ enabled: false }, rotating)).toEqual({ ...rotating, enabled: false });
    expect(outcome({ enabled: true, keepPreviousMs: 0 }, rotating)).toMatchObject({ sealedSecret: 'sealed(new)', previous: null });
    expect(outcome({ enabled: true, keepPreviousMs: 7_200_000 }, rotating)).toMatchObject({ previous: { expiresAt: at(2) } });
    expect(outcome({ enabled: true, secret: 'third' }, rotating)).toMatchObject({
      previous: { sealedSecret: 'sealed(new)', expiresAt: at(24) },
    });
    expect(outcome({ enabled: false, secret: null }, rotating)).toMatchObject({ sealedSecret: null, previous: null });
    const over = stored({ previous: { sealedSecret: 'sealed(old)', expiresAt: at(0) } });
    expect(outcome({ enabled: true }, over)).toEqual(stored());
  });

  it.each([24, 32, 64])('takes a Standard Webhooks secret of %i bytes', (bytes) => {
    expect(outcome({ enabled: true, scheme: 'standard-webhooks', secret: whsec(bytes) }, null)).toMatchObject({
      scheme: 'standard-webhooks',
    });
  });

  it.each([whsec(23), whsec(65), 'secret', whsec(32).slice(6), `${whsec(32)}=`, 'whsec_', whsec(30).replace('B', '-')])(
    'refuses %s as a Standard Webhooks secret',
    (secret) => expect(outcome({ enabled: true, scheme: 'standard-webhooks', secret }, null)).toEqual(['/signing/secret invalid_secret']),
  );

  it('keeps a secret for another scheme only where it fits, and puts none aside', () => {
    expect(outcome({ enabled: true, scheme: 'standard-webhooks' }, rotating)).toEqual(['/signing/secret invalid_secret']);
    expect(outcome({ enabled: true, scheme: 'standard-webhooks', secret: whsec(32) }, rotating)).toMatchObject({ previous: null });
    const standard = stored({ scheme: 'standard-webhooks', sealedSecret: `sealed(${whsec(32)})` });
    expect(outcome({ enabled: true }, standard)).toMatchObject({ scheme: 'medchat', sealedSecret: standard.sealedSecret, previous: null });
  });
});

describe('mapSigningSecrets', () => {
  it('changes both secrets and nothing else', () => {
    const both = stored({ previous: { sealedSecret: 'a', expiresAt: at(1) } });
    expect(mapSigningSecrets(both, (sealed) => `${sealed}!`)).toEqual({
      ...both,
      sealedSecret: 'sealed(old)!',
      previous: { sealedSecret: 'a!', expiresAt: at(1) },
    });
    expect(mapSigningSecrets(stored({ sealedSecret: null }), () => 'x')).toEqual(stored({ sealedSecret: null }));
  });
});
