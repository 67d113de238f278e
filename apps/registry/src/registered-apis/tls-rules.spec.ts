import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { testCertificate } from '@cf/testing';
import { refuseCertificates, refusePair, refusePrivateKey } from './tls-rules.js';

/** RSA with 1,024 bits, which no TLS library takes any more. */
const weak = {
  key: `-----BEGIN PRIVATE KEY-----
MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBANXvepm72rJJ+cf9
gN3ESOSVb/TSZ9Yi2xecH4MdG+BGeK8oGO3+hhjA8klHKM+HngRpGE8WE4ky2RHm
z8O2S2J0SJrvW3ERVVhsD+8MPYZGVQHEPpisz0arev+XQeJN3Yiz9o6/xNsOj25x
gapA87y9Omsc5hm4wKq5EE2BvTkfAgMBAAECgYBaCzHPAwJJiFlZk5lpvfPwQfWd
VfHeb01H4q5gwR+6he7Fylqz0S0fvhY8QXcr4ijgMlvI7cHLPVuf7UYFWfTf9oX2
nOhiaPYGlXMSptAT8UAYsLByI4ZetEUExr/RadEY8YM6LH3pdpkgRr+qxrjK0Blg
oG3AU6fthzFLGNGUAQJBAO8Kvk5xu+cYVNgJB2TV2qSuZg07FTaQOuRGT+WpE87+
aCi8Tcn6LyXlD+m66VY5uKdiKRI5u5aI0JlJyRL0DkkCQQDlHMZUAOD1JgCAfCNn
hzMLMOkSZmIDrhjlKqdE27NhcmfLtWS/0GhNna8Dnn+FbAshY2NcgeRbdZ0aJMnV
RqwnAkAKXMPdMK79mJ9s8g9A/shIpUrFPg9wWxZCeQ3Tnd2+9mZbhbY1kEPk96YV
8sVUuJHZp7ayFJCeOPYZ/wnZaX0JAkBbvXPkux1YzEizKgH7OHXF62XISlrA4ntx
d+zWc6qWQHszZITdEZRST+t+ZX7ma+bhDa0Bo7lOrf+kMkrnLY9NAkEAldUYHka6
VW3WjCFp9U06R+yxeGmhZtdil/YHkMjUPtlPbsUGkBCQ9jh5UfMxZxjZVtkr7jAR
g762d4tTGuSgPg==
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIB/DCCAWWgAwIBAgIUP1k0/MMmog8jQzSbO2v9S2q0ZcowDQYJKoZIhvcNAQEL
BQAwDzENMAsGA1UEAwwEd2VhazAgFw0yNjExMjIxOTMxMjhaGA8yMTI2MTAyOTE5
MzEyOFowDzENMAsGA1UEAwwEd2VhazCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkC
gYEA1e96mbvaskn5x/2A3cRI5JVv9NJn1iLbF5wfgx0b4EZ4rygY7f6GGMDySUco
z4eeBGkYTxYTiTLZEebPw7ZLYnRImu9bcRFVWGwP7ww9hkZVAcQ+mKzPRqt6/5dB
4k3diLP2jr/E2w6PbnGBqkDzvL06axzmGbjAqrkQTYG9OR8CAwEAAaNTMFEwHQYD
VR0OBBYEFEndcg97DsypQh5gv+xE51+z+us8MB8GA1UdIwQYMBaAFEndcg97Dsyp
Qh5gv+xE51+z+us8MA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADgYEA
0Y1PXOXDa1dtUPLYn53cWcO1QXpHt7rNkQi6RFh85TDTUCimNvDRpj+uIgeyTiVk
2iC2xLreiTcv4k979nGbRkzRHsQN9ypR70sdVBYNDpwAwNS06NAhZVfRghbTm1U8
rOMk+uiZCiNQQd3A2N5cy9miblGvJ7E+RrUo1cKlcpw=
-----END CERTIFICATE-----
`,
};

const { cert, key } = testCertificate;
const otherKey = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const encrypted = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});

describe('refuseCertificates', () => {
  it.each([cert, cert + cert, `# our own authority\n${cert}\n\n# Zürich\r\n${weak.cert}`])(
    'takes certificates with comments around them',
    (text) => expect(refuseCertificates(text)).toBeNull(),
  );

  it.each([
    '',
    'x',
    otherKey.publicKey,
    '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
    cert.slice(0, -40),
    `${cert}-----BEGIN CERTIFICATE-----\nAAAA`,
    `${cert}\u0000`,
    cert.replace('MIIB', 'MIIC'),
  ])('refuses %j', (text) => expect(refuseCertificates(text)?.code).toBe('invalid_certificate'));

  it.each([key, cert + key, weak.key + cert, encrypted.privateKey.replace('ENCRYPTED', 'EC')])(
    'refuses a private key among them, which would be answered in clear',
    (text) => expect(refuseCertificates(text)?.code).toBe('holds_private_key'),
  );
});

describe('refusePrivateKey', () => {
  it('takes an unencrypted key and nothing else', () => {
    expect(refusePrivateKey(key)).toBeNull();
    expect(refusePrivateKey(encrypted.privateKey)?.code).toBe('encrypted_key');
    expect(refusePrivateKey(cert)?.code).toBe('invalid_key');
    expect(refusePrivateKey('x')?.code).toBe('invalid_key');
    expect(refusePrivateKey('')?.code).toBe('invalid_key');
  });
});

describe('refusePair', () => {
  it('takes the key of the first certificate that TLS can use', () => {
    expect(refusePair(cert, key)).toBeNull();
    expect(refusePair(cert + cert, key)).toBeNull();
    expect(refusePair(cert + weak.cert, key)?.code).toBe('unusable_key');
    expect(refusePair(weak.cert + cert, key)?.code).toBe('key_mismatch');
    expect(refusePair(cert, otherKey.privateKey)?.code).toBe('key_mismatch');
    expect(refusePair(weak.cert, weak.key)?.code).toBe('unusable_key');
  });
});
