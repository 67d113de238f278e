export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T;
  readonly headers: Headers;
}

/** The HTTP API as a user's program calls it. `addressOf` finds the service that serves a path. */
export class Api {
  constructor(
    private readonly addressOf: (path: string) => string,
    private readonly token: string,
  ) {}

  as(token: string): Api {
    return new Api(this.addressOf, token);
  }

  async request<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: object | string | Uint8Array,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const raw = typeof body === 'string' || body instanceof Uint8Array;
    const answer = await fetch(`${this.addressOf(path)}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: (text === '' ? {} : JSON.parse(text)) as T };
  }

  get<T = Record<string, unknown>>(path: string): Promise<Answer<T>> {
    return this.request<T>('GET', path);
  }

  async created(path: string, body: object): Promise<Record<string, unknown> & { id: string }> {
    const answer = await this.request<Record<string, unknown> & { id: string }>('POST', path, body);
    if (answer.status !== 201) throw new Error(`POST ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }
}
