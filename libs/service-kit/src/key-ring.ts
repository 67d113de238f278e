import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const KEY_BYTES = 32;
const IV_BYTES = 12;

/**
 * Keys that secrets are sealed with (AES-256-GCM). The first key seals, every key opens, so a key can be rotated.
 * Sealed text is `<key id>.<iv>.<tag>.<ciphertext>`; `aad` binds it to its place (`orgId:resourceId`, lower case), so that a
 * sealed value moved to another resource does not open.
 */
export class KeyRing {
  private constructor(
    private readonly keys: ReadonlyMap<string, Buffer>,
    /** The first one of the ring. */
    readonly sealingKeyId: string,
  ) {}

  /** Reads `id:base64,…` (32 bytes each). Throws an Error whose message does not hold the keys. */
  static parse(text: string): KeyRing {
    const keys = new Map<string, Buffer>();
    for (const entry of text.split(',')) {
      const [, id, encoded] = /^\s*([A-Za-z0-9_-]{1,64}):([A-Za-z0-9+/_=-]+)\s*$/.exec(entry) ?? [];
      if (id === undefined || encoded === undefined) throw new Error('must read `id:base64,…`');
      const key = Buffer.from(encoded, 'base64');
      if (key.length !== KEY_BYTES) throw new Error(`key ${id} must have ${KEY_BYTES} bytes`);
      if (keys.has(id)) throw new Error(`key ${id} is there twice`);
      keys.set(id, key);
    }
    const [first] = keys.keys();
    if (first === undefined) throw new Error('must name at least one key');
    return new KeyRing(keys, first);
  }

  static make(id = 'k1'): string {
    return `${id}:${randomBytes(KEY_BYTES).toString('base64')}`;
  }

  has(keyId: string): boolean {
    return this.keys.has(keyId);
  }

  /** The id of the key that sealed this text. */
  static keyIdOf(sealed: string): string {
    return sealed.slice(0, sealed.indexOf('.'));
  }

  /** Ids of the keys that the sealed fields of a JSON text were sealed with. A quote inside a value is escaped, so that no value looks like a field. */
  static keyIdsIn(json: string): ReadonlySet<string> {
    return new Set([...json.matchAll(/"sealed[A-Za-z]+":\s*"([A-Za-z0-9_-]+)\./g)].map(([, id]) => id ?? ''));
  }

  /** All of them, the one that seals first. */
  get ids(): readonly string[] {
    return [...this.keys.keys()];
  }

  seal(plain: string, aad: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.keyOf(this.sealingKeyId), iv).setAAD(Buffer.from(aad));
    const ciphertext = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return [this.sealingKeyId, ...[iv, cipher.getAuthTag(), ciphertext].map((part) => part.toString('base64url'))].join('.');
  }

  /** Throws when the key is missing, the text was changed or belongs to another place. */
  open(sealed: string, aad: string): string {
    const [keyId, iv, tag, ciphertext] = sealed.split('.');
    if (keyId === undefined || iv === undefined || tag === undefined || ciphertext === undefined) throw new Error('not a sealed secret');
    const decipher = createDecipheriv('aes-256-gcm', this.keyOf(keyId), Buffer.from(iv, 'base64url')).setAAD(Buffer.from(aad));
    decipher.setAuthTag(Buffer.from(tag, 'base64url'));
    return Buffer.concat([decipher.update(Buffer.from(ciphertext, 'base64url')), decipher.final()]).toString('utf8');
  }

  private keyOf(id: string): Buffer {
    const key = this.keys.get(id);
    if (key === undefined) throw new Error(`encryption key ${id} is not in ENCRYPTION_KEYS`);
    return key;
  }
}
