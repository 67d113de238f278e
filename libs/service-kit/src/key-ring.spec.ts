import { describe, expect, it } from '@jest/globals';
import { KeyRing } from './key-ring.js';

describe('the key ring', () => {
  const [older, newer] = [KeyRing.make('older'), KeyRing.make('newer')];

  it('opens what it sealed, and never seals alike twice', () => {
    const ring = KeyRing.parse(newer);
    const [first, second] = [ring.seal('sëcret', 'org:api'), ring.seal('sëcret', 'org:api')];
    expect(first).not.toBe(second);
    expect([first, second].map((sealed) => ring.open(sealed, 'org:api'))).toEqual(['sëcret', 'sëcret']);
    expect(first).not.toContain('sëcret');
  });

  it('opens with a rotated key and seals with the first one', () => {
    const sealed = KeyRing.parse(older).seal('secret', 'a');
    const ring = KeyRing.parse(`${newer},${older}`);
    expect(ring.open(sealed, 'a')).toBe('secret');
    expect(KeyRing.keyIdOf(ring.seal('secret', 'a'))).toBe('newer');
  });

  it('refuses a secret that was moved to another place, changed, or sealed with a key it lacks', () => {
    const ring = KeyRing.parse(newer);
    const sealed = ring.seal('secret', 'org:api');
    const [keyId, iv, tag, text] = sealed.split('.') as [string, string, string, string];
    expect(() => ring.open(sealed, 'org:other')).toThrow();
    expect(() => ring.open([keyId, iv, tag, text.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))].join('.'), 'org:api')).toThrow();
    expect(() => KeyRing.parse(older).open(sealed, 'org:api')).toThrow('newer');
    expect(() => ring.open('no secret', 'org:api')).toThrow('not a sealed secret');
  });

  it.each(['', 'k1', 'k1:', 'k1:AAAA', `${KeyRing.make('a')},${KeyRing.make('a')}`, 'a b:AAAA'])(
    'refuses the setting %j without repeating it',
    (text) => {
      expect(() => KeyRing.parse(text)).toThrow(/^(?!.*AAAA)/);
    },
  );

  it('finds the keys of sealed fields in JSON, and takes no value for a field', () => {
    const json = JSON.stringify({
      sealedToken: 'k1.a.b.c',
      tls: { sealedClientKey: null },
      list: [{ sealedValue: 'k-2.x' }],
      name: '"sealedX":"k3.y"',
    });
    expect([...KeyRing.keyIdsIn(json)]).toEqual(['k1', 'k-2']);
  });
});
