import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { KeyRing } from './key-ring.js';
import { readPlatform } from './platform.config.js';

const dataDir = mkdtempSync(join(tmpdir(), 'cf-platform-'));
afterAll(() => rmSync(dataDir, { recursive: true }));
const standalone = { port: 8080, needs: 'nothing' } as const;
const alone = { port: 8084, needs: 'kafka-and-database' } as const;

describe('settings of the platform', () => {
  it('have defaults that start on a fresh machine', () => {
    const platform = readPlatform(standalone, { DATA_DIR: dataDir, PORT: '', KAFKA_BROKERS: '' });
    expect(platform).toMatchObject({
      nodeEnv: 'development',
      port: 8080,
      host: '127.0.0.1',
      kafka: null,
      databaseUrl: '',
      allowHttp: true,
    });
    expect(platform.allowedAddresses).toEqual(['127.0.0.0/8', '::1/128']);
  });

  it('make a token and keys once, keep them and let only their owner read them', () => {
    const [first, second] = [readPlatform(standalone, { DATA_DIR: dataDir }), readPlatform(standalone, { DATA_DIR: dataDir })];
    expect(second.operatorToken).toBe(first.operatorToken);
    expect(second.keyRing.open(first.keyRing.seal('secret', 'a'), 'a')).toBe('secret');
    expect(readFileSync(join(dataDir, 'operator-token'), 'utf8').trim()).toBe(first.operatorToken);
    for (const file of ['operator-token', 'encryption-keys']) expect(statSync(join(dataDir, file)).mode & 0o777).toBe(0o600);
  });

  it.each([
    [standalone, { PORT: '70000' }, 'PORT'],
    [standalone, { NODE_ENV: 'staging' }, 'NODE_ENV'],
    [standalone, { DATABASE_URL: 'mysql://x' }, 'DATABASE_URL'],
    [standalone, { KAFKA_BROKERS: 'localhost' }, 'KAFKA_BROKERS'],
    [standalone, { KAFKA_BROKERS: 'a:1', KAFKA_SASL_MECHANISM: 'plain' }, 'KAFKA_SASL_USERNAME'],
    [standalone, { KAFKA_BROKERS: 'a:1', KAFKA_SSL_CA: '/nowhere.pem' }, 'KAFKA_SSL_CA'],
    [standalone, { KAFKA_BROKERS: 'a:1', KAFKA_SASL_USERNAME: 'someone' }, 'KAFKA_SASL_MECHANISM'],
    [standalone, { KAFKA_BROKERS: 'a:99999' }, 'KAFKA_BROKERS'],
    [standalone, { DATABASE_URL: 'postgres://u:p@host:port/x' }, 'DATABASE_URL'],
    [standalone, { DATA_DIR: '/dev/null' }, 'DATA_DIR'],
    [standalone, { DATA_DIR: '/proc/nothing/here' }, 'DATA_DIR'],
    [standalone, { ALLOWED_ADDRESSES: 'none,10.0.0.0/8' }, 'ALLOWED_ADDRESSES'],
    [standalone, { DENIED_ADDRESSES: '8.8.8.8' }, 'DENIED_ADDRESSES'],
    [standalone, { ALLOW_HTTP: 'yes' }, 'ALLOW_HTTP'],
    [standalone, { OPERATOR_TOKEN: 'short' }, 'OPERATOR_TOKEN'],
    [standalone, { PARTITIONS_STEPS: '0' }, 'PARTITIONS_STEPS'],
    [standalone, { NODE_ENV: 'production' }, 'OPERATOR_TOKEN.*ENCRYPTION_KEYS'],
    [alone, {}, 'KAFKA_BROKERS.*DATABASE_URL'],
  ] as const)('of %j refuse %j and name the setting', (defaults, env, named) => {
    expect(() => readPlatform(defaults, { DATA_DIR: dataDir, ...env })).toThrow(new RegExp(named));
  });

  it('in production allow neither plain http nor private addresses', () => {
    const platform = readPlatform(standalone, {
      NODE_ENV: 'production',
      DATA_DIR: dataDir,
      OPERATOR_TOKEN: 'a-token-of-an-operator',
      ENCRYPTION_KEYS: KeyRing.make(),
    });
    expect(platform).toMatchObject({ allowHttp: false, allowedAddresses: [] });
  });

  it('in production ask for keys only where secrets are opened', () => {
    const env = { NODE_ENV: 'production', KAFKA_BROKERS: 'a:1', DATABASE_URL: 'postgres://a/b', OPERATOR_TOKEN: 'a-token-of-an-operator' };
    expect(() => readPlatform(alone, env)).toThrow('ENCRYPTION_KEYS');
    expect(readPlatform({ ...alone, holdsKeys: false }, env).operatorToken).toBe(env.OPERATOR_TOKEN);
  });

  it('allow no private address in development when told `none`; empty means unset', () => {
    const allowed = (text: string) => readPlatform(standalone, { DATA_DIR: dataDir, ALLOWED_ADDRESSES: text }).allowedAddresses;
    expect(allowed('none')).toEqual([]);
    expect(allowed('')).toEqual(['127.0.0.0/8', '::1/128']);
  });

  it('never repeat a wrong value, which may be a secret', () => {
    expect(() => readPlatform(standalone, { OPERATOR_TOKEN: 'hunter2' })).toThrow(/^(?!.*hunter2)/);
  });
});
