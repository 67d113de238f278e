/** `cloudFunctionId` is an id of `cloud-functions`. */
const collectionOf = (name: string): string => `${name.replace(/Id$/, '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}s`;

/** Ids that exist, by the collection that they are found in; an answer that creates something adds its id. */
export class KnownIds {
  private readonly byCollection = new Map<string, string>();

  constructor(
    readonly orgId: string,
    ids: Readonly<Record<string, string>>,
  ) {
    for (const [collection, id] of Object.entries(ids)) this.byCollection.set(collection, id);
  }

  /** Whether something was created by this answer, whose id is known from now on. */
  learn(path: string, { status, text }: { status: number; text: string }): void {
    const { id } = status === 201 ? (JSON.parse(text) as { id?: unknown }) : {};
    const collection = path.split('/').at(-1) ?? '';
    if (typeof id === 'string' && collection !== 'organizations') this.byCollection.set(collection, id);
  }

  /** By the name of a collection, or of a field that holds its ids. */
  of(name: string): string | undefined {
    return this.in(name.endsWith('Id') ? collectionOf(name) : name);
  }

  in(collection: string): string | undefined {
    return this.byCollection.get(collection);
  }

  /** The path of a template, each parameter an id of the collection before it. */
  path(template: string): string {
    const parts = template.split('/');
    return parts
      .map((part, index) => {
        const [, name] = /^\{(\w+)\}$/.exec(part) ?? [];
        if (name === undefined) return part;
        return name === 'orgId' ? this.orgId : (this.in(parts[index - 1] ?? '') ?? '00000000-0000-4000-8000-000000000000');
      })
      .join('/');
  }

  /** An example with the ids that exist here in place of its own. */
  put<T>(example: T): T {
    return JSON.parse(
      JSON.stringify(example, (name: string, value: unknown) => {
        if (typeof value !== 'string' || !/^[a-zA-Z]+Id$/.test(name)) return value;
        return name === 'orgId' ? this.orgId : (this.in(collectionOf(name)) ?? value);
      }),
    ) as T;
  }
}
