import { type AccessToken, type CloudFunction, type Organization, type RegisteredApi, type RegistryChange, sameId } from '@cf/contract';

/** Who uses a revoked token does so soon after; a few megabytes. */
const REVOKED_MAX = 10_000;

const within = (orgId: string, id: string): string => `${sameId(orgId)}/${sameId(id)}`;

/** Organizations, APIs, functions and token hashes as the registry last told them. Every look-up takes the organization (invariant 11). */
export class OrganizationIndex {
  private readonly organizations = new Map<string, Organization>();
  private readonly apis = new Map<string, RegisteredApi>();
  private readonly functions = new Map<string, CloudFunction>();
  private readonly tokens = new Map<string, AccessToken>();
  private readonly revoked = new Map<string, AccessToken>();
  /** Where a resource is filed, so that its deletion (which says only the id) finds it. */
  private readonly filed = new Map<string, { map: Map<string, unknown>; key: string }>();

  organization(orgId: string): Organization | undefined {
    return this.organizations.get(sameId(orgId));
  }

  registeredApi(orgId: string, id: string): RegisteredApi | undefined {
    return this.apis.get(within(orgId, id));
  }

  cloudFunction(orgId: string, id: string): CloudFunction | undefined {
    return this.functions.get(within(orgId, id));
  }

  accessToken(orgId: string, id: string): AccessToken | undefined {
    const place = this.filed.get(sameId(id));
    const token = place?.map === this.tokens ? this.tokens.get(place.key) : undefined;
    return token !== undefined && sameId(token.orgId) === sameId(orgId) ? token : undefined;
  }

  accessTokenByHash(hash: string): AccessToken | undefined {
    return this.tokens.get(hash);
  }

  revokedTokenByHash(hash: string): AccessToken | undefined {
    return this.revoked.get(hash);
  }

  apply(change: RegistryChange): void {
    if (change.deleted && change.type === 'access-token') this.remember(change.id);
    this.remove(change.id);
    if (change.deleted) return;
    switch (change.type) {
      case 'organization':
        return this.file(change.id, this.organizations, sameId(change.id), change.resource);
      case 'registered-api':
        return this.file(change.id, this.apis, within(change.resource.orgId, change.id), change.resource);
      case 'cloud-function':
        return this.file(change.id, this.functions, within(change.resource.orgId, change.id), change.resource);
      case 'access-token':
        return this.file(change.id, this.tokens, change.resource.hash, change.resource);
    }
  }

  remove(id: string): void {
    const place = this.filed.get(sameId(id));
    place?.map.delete(place.key);
    this.filed.delete(sameId(id));
  }

  private remember(id: string): void {
    const place = this.filed.get(sameId(id));
    const token = place === undefined ? undefined : this.tokens.get(place.key);
    if (token === undefined) return;
    this.revoked.set(token.hash, token);
    const [oldest] = this.revoked.keys();
    if (this.revoked.size > REVOKED_MAX && oldest !== undefined) this.revoked.delete(oldest);
  }

  private file<T>(id: string, map: Map<string, T>, key: string, resource: T): void {
    map.set(key, resource);
    this.filed.set(sameId(id), { map, key });
  }
}
