import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { makeFolder } from './make-folder.js';

const root = mkdtempSync(join(tmpdir(), 'cf-folder-'));
afterAll(() => rmSync(root, { recursive: true }));

describe('a folder', () => {
  it('is made with what lacks above it, for its owner only, and left alone when it is there', () => {
    const path = join(root, 'a/b/c');
    makeFolder(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    chmodSync(path, 0o755);
    makeFolder(path);
    expect(statSync(path).mode & 0o777).toBe(0o755);
  });

  it('that cannot be made is said at once', () => {
    writeFileSync(join(root, 'file'), '');
    expect(() => makeFolder(join(root, 'file/below'))).toThrow(expect.objectContaining({ path: join(root, 'file/below') }));
    expect(() => makeFolder('/proc/nothing/here')).toThrow(/\/proc\/nothing/);
  });
});
