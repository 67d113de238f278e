import axios, { type AxiosResponse } from 'axios';

type Resource = { readonly id: string } & Readonly<Record<string, unknown>>;

/** Our own HTTP API as the demo uses it: with an operator's token, every refusal an error. */
export class AdminApi {
  private readonly http;

  constructor(address: string, operatorToken: string) {
    this.http = axios.create({
      baseURL: address,
      proxy: false,
      headers: { authorization: `Bearer ${operatorToken}` },
      validateStatus: () => true,
    });
  }

  async post(path: string, body: object): Promise<Resource> {
    return this.expect(201, await this.http.post<Resource>(path, body));
  }

  async put(path: string, body: object, etag: string): Promise<Resource> {
    return this.expect(200, await this.http.put<Resource>(path, body, { headers: { 'if-match': etag } }));
  }

  /** Null when it is not there, or when this token may not see it (the database was changed for another one). */
  async find(path: string, token: string): Promise<{ body: Resource; etag: string } | null> {
    const answer = await this.http.get<Resource>(path, { headers: { authorization: `Bearer ${token}` } });
    return answer.status === 200 ? { body: answer.data, etag: String(answer.headers['etag']) } : null;
  }

  private expect(status: number, answer: AxiosResponse<Resource>): Resource {
    if (answer.status === status) return answer.data;
    throw new Error(
      `the demo could not be made: ${answer.config.method} ${answer.config.url} answered ${answer.status} ${JSON.stringify(answer.data)}`,
    );
  }
}
