/** Users of the API, each with a token of its own, as a product's backend calls it. */
import { randomUUID } from "node:crypto";
import { SignJWT } from "jose";

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
  readonly headers: Headers;
  readonly milliseconds: number;
}

export interface Caller {
  readonly id: string;
  get<T>(path: string): Promise<Answer<T>>;
  /** @param key an idempotency key; each request has one of its own without it */
  post<T>(path: string, body: object, key?: string): Promise<Answer<T>>;
}

const TOKEN_LIFETIME = "1h";

/** @param roles none: a caller without a token */
export async function createCaller(
  api: string,
  secret: string,
  id: string,
  roles: readonly string[],
): Promise<Caller> {
  const authorization = roles.length === 0 ? {} : { authorization: await bearer(secret, id, roles) };
  const call = async <T>(path: string, init: RequestInit): Promise<Answer<T>> => {
    const started = performance.now();
    const response = await fetch(`${api}${path}`, init);
    const body = (await response.json()) as T;
    const milliseconds = performance.now() - started;
    return { status: response.status, body, headers: response.headers, milliseconds };
  };
  return {
    id,
    get: (path) => call(path, { headers: authorization }),
    post: (path, body, key = randomUUID()) =>
      call(path, {
        method: "POST",
        headers: { ...authorization, "content-type": "application/json", "idempotency-key": key },
        body: JSON.stringify(body),
      }),
  };
}

async function bearer(secret: string, sub: string, roles: readonly string[]): Promise<string> {
  const token = await new SignJWT({ roles: [...roles] })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime(TOKEN_LIFETIME)
    .sign(new TextEncoder().encode(secret));
  return `Bearer ${token}`;
}
