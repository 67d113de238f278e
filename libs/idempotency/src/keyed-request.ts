import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { sameId, uuid } from '@cf/contract';
import type { Principal } from '@cf/registry-cache';
import { Problem } from '@cf/service-kit';
import type { FastifyRequest } from 'fastify';

/** An answer as it left, for a request that comes again. `body` is its text, null for none. */
export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/** 1 to 255 visible characters of ASCII; two header lines arrive as one with a space in it. */
const KEY = /^[\x21-\x7e]{1,255}$/;

const IV_BYTES = 12;
const TAG_BYTES = 16;

const sha256 = (...parts: (string | Buffer)[]): Buffer => {
  const hash = createHash('sha256');
  parts.forEach((part) => hash.update(part));
  return hash.digest();
};

/**
 * A request with an `Idempotency-Key`. `id` stands for (organization, principal, method and path, key), none of which can be read
 * from it. Answers are sealed with a key made from the caller's own token, which rests nowhere: an answer may hold an access token
 * that is shown once, or what a customer's endpoint said, and neither a dump nor this service can read it without the caller.
 */
export class KeyedRequest {
  readonly id: Buffer;
  readonly orgId: string | null;
  /** Of the body: the same key with another one is refused. */
  readonly fingerprint: Buffer;
  private readonly sealingKey: Buffer;

  /** Only behind a guard. */
  constructor(request: FastifyRequest, key: string | string[]) {
    if (typeof key !== 'string' || !KEY.test(key))
      throw new Problem(400, 'invalid_idempotency_key', 'The Idempotency-Key must be 1 to 255 visible ASCII characters.');
    const { headers, method, url } = request;
    const principal: Principal | undefined = request.principal;
    if (principal === undefined) throw new Error('a route takes idempotency keys but has no guard');
    const { orgId } = request.params as { orgId?: string };
    this.orgId = orgId !== undefined && uuid.safeParse(orgId).success ? sameId(orgId) : null;
    const who = principal.type === 'operator' ? 'operator' : sameId(principal.tokenId);
    this.id = sha256(JSON.stringify([this.orgId, who, method, url.replace(/\?.*$/, '').toLowerCase(), key]));
    this.fingerprint = sha256(headers['content-type'] ?? '', '\n', request.rawBody ?? '');
    this.sealingKey = Buffer.from(hkdfSync('sha256', headers.authorization ?? '', this.id, 'idempotent answer', 32));
  }

  seal(answer: KeptAnswer): Buffer {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.sealingKey, iv);
    const sealed = [cipher.update(JSON.stringify(answer), 'utf8'), cipher.final()];
    return Buffer.concat([iv, cipher.getAuthTag(), ...sealed]);
  }

  /** Null when it was sealed for another token: an operator's, which was changed meanwhile. */
  open(sealed: Buffer): KeptAnswer | null {
    const decipher = createDecipheriv('aes-256-gcm', this.sealingKey, sealed.subarray(0, IV_BYTES));
    decipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    try {
      const plain = Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
      return JSON.parse(plain.toString('utf8')) as KeptAnswer;
    } catch {
      return null;
    }
  }
}
