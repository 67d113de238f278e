/**
 * Verifies an exported audit log offline: `node tools/verify-audit-log.ts [<sequence>:<hash>] < export.ndjson`, Node ≥ 24, nothing else.
 * It shares no code with the product on purpose, so that whoever doubts the product can read all of it.
 *
 * Each line is an entry with `previousHash` and `hash`. `hash` must be the SHA-256 of `previousHash` and the canonical JSON of the
 * entry without the two (keys in order, no spaces), `previousHash` the hash of the line before (64 zeros at first), `sequence` one
 * more than before. A head that was noted down earlier, given as argument, must be in the chain: only that shows a cut-off end.
 * Exit 0: whole. Exit 1: broken, with the first sequence number that does not hold. Exit 2: the argument cannot be read.
 */
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';

const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join()}}`;
};

const fail = (sequence: number, reason: string): never => {
  process.stdout.write(`broken at ${sequence}: ${reason}\n`);
  process.exit(1);
};

const readNoted = (argument: string | undefined): { sequence: number; hash: string } | null => {
  if (argument === undefined) return null;
  const [, sequence, hash = ''] = /^(\d+):([0-9a-f]{64})$/.exec(argument) ?? [];
  if (sequence !== undefined) return { sequence: Number(sequence), hash };
  process.stderr.write('a noted head reads <sequence>:<hash>\n');
  process.exit(2);
};

const noted = readNoted(process.argv[2]);
let head = { sequence: 0, hash: '0'.repeat(64) };

for await (const line of createInterface({ input: process.stdin })) {
  const next = head.sequence + 1;
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    fail(next, 'the line is no JSON');
    break;
  }
  const { previousHash, hash, ...rest } = entry;
  if (rest['sequence'] !== next) fail(next, `the entry is missing; ${String(rest['sequence'])} follows`);
  const expected = createHash('sha256').update(head.hash).update(canonical(rest)).digest('hex');
  if (previousHash !== head.hash || hash !== expected) fail(next, 'the entry was changed, or one before it');
  if (noted?.sequence === next && hash !== noted.hash) fail(next, 'this is not the entry whose hash was noted');
  head = { sequence: next, hash: expected };
}
if (noted !== null && noted.sequence > head.sequence) fail(head.sequence + 1, `the end was cut off: ${noted.sequence} entries were noted`);
process.stdout.write(`whole: ${head.sequence} entries, head ${head.sequence}:${head.hash}\n`);
