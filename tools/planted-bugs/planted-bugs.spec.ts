import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const root = join(import.meta.dirname, '../..');
const patches = join(import.meta.dirname, 'patches');

describe('planted bugs', () => {
  it.each(readdirSync(patches))('%s still applies; `npm run planted-bugs` shows that it is caught', (name) => {
    const { status, stderr } = spawnSync('git', ['apply', '--check', join(patches, name)], { cwd: root, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    // What the report says of it.
    expect(readFileSync(join(patches, name), 'utf8')).toMatch(/^[A-Z].*\.\n\ndiff /);
  });
});
