import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createAuthenticate, type Identity } from "#api";
import { type Clock, systemClock } from "#kernel";
import {
  badAuthorizations,
  bearer,
  ecdsa,
  forgeToken,
  hmac,
  rsa,
  signToken,
  TEST_JWT_SECRET,
} from "../support/tokens.ts";

const soon = () => Math.floor(Date.now() / 1000) + 3600;
const principal = (sub: string, ...roles: string[]) => ({
  ...{ kind: "principal", principal: { sub, roles } },
  expiresMs: expect.any(Number),
});

describe("with a secret", () => {
  const authenticate = createAuthenticate({ jwtSecret: TEST_JWT_SECRET }, systemClock);

  test("no header is anonymous", async () => {
    expect(await authenticate(undefined)).toEqual({ kind: "anonymous" });
  });

  test("a good token is its subject with the roles this server knows; without roles it is a user", async () => {
    expect(await authenticate(bearer("alice", "operator", "god"))).toEqual(principal("alice", "operator"));
    expect(await authenticate(`bearer ${signToken({ sub: "auth0|5f:a@b.c+d" })}`)).toEqual(
      principal("auth0|5f:a@b.c+d", "user"),
    );
  });

  test.each(Object.entries(badAuthorizations("alice", ["operator"])))("%s is refused", async (_, header) => {
    expect((await authenticate(header)).kind).toBe("refused");
  });

  test("expiry is by the clock that was passed in", async () => {
    let nowMs = Date.now();
    const clock: Clock = { nowMs: () => nowMs };
    const authenticateAt = createAuthenticate({ jwtSecret: TEST_JWT_SECRET }, clock);
    const seconds = Math.floor(nowMs / 1000) + 5;
    const header = `Bearer ${signToken({ sub: "alice", exp: seconds })}`;
    // Twice: verified, then remembered.
    expect((await authenticateAt(header)).kind).toBe("principal");
    expect((await authenticateAt(header)).kind).toBe("principal");
    nowMs = seconds * 1000 - 1;
    expect((await authenticateAt(header)).kind).toBe("principal");
    nowMs = seconds * 1000;
    expect(await authenticateAt(header)).toEqual({ kind: "refused", reason: "The token has expired" });
  });
});

describe("with a JWKS", () => {
  const rs = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const es = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const es384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
  let server: Server;
  let url: string;
  let isUp = true;

  beforeAll(async () => {
    const jwk = (key: KeyObject, kid: string) => ({ ...key.export({ format: "jwk" }), kid, use: "sig" });
    const keys = [jwk(rs.publicKey, "rs"), jwk(es.publicKey, "es"), jwk(es384.publicKey, "es384")];
    server = createServer((_req, res) => {
      res.statusCode = isUp ? 200 : 500;
      res.setHeader("content-type", "application/json").end(JSON.stringify({ keys }));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
  });
  afterAll(() => {
    server.close();
  });
  beforeEach(() => {
    isUp = true;
  });

  const ask = (token: string): Promise<Identity> =>
    createAuthenticate({ jwksUrl: url }, systemClock)(`Bearer ${token}`);
  const payload = () => ({ sub: "alice", roles: ["auditor"], exp: soon() });

  test("RS256 and ES256 tokens of its keys are good", async () => {
    expect(await ask(forgeToken({ alg: "RS256", kid: "rs" }, payload(), rsa(rs.privateKey)))).toEqual(
      principal("alice", "auditor"),
    );
    expect(await ask(forgeToken({ alg: "ES256", kid: "es" }, payload(), ecdsa(es.privateKey)))).toEqual(
      principal("alice", "auditor"),
    );
  });

  test("HS256 is never accepted: not with the secret, not with the published key", async () => {
    const pem = rs.publicKey.export({ type: "spki", format: "pem" }).toString();
    for (const secret of [TEST_JWT_SECRET, pem, JSON.stringify(rs.publicKey.export({ format: "jwk" }))]) {
      const token = forgeToken({ alg: "HS256", kid: "rs" }, payload(), hmac("sha256", secret));
      expect((await ask(token)).kind).toBe("refused");
    }
    expect((await ask(forgeToken({ alg: "none" }, payload(), () => ""))).kind).toBe("refused");
  });

  test("unknown keys, foreign keys and other algorithms of a published key are refused", async () => {
    const foreign = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const tokens = [
      forgeToken({ alg: "RS256", kid: "unknown" }, payload(), rsa(rs.privateKey)),
      forgeToken({ alg: "RS256", kid: "rs" }, payload(), rsa(foreign.privateKey)),
      forgeToken({ alg: "ES384", kid: "es384" }, payload(), ecdsa(es384.privateKey)),
      forgeToken({ alg: "ES256", kid: "rs" }, payload(), ecdsa(es.privateKey)),
    ];
    for (const token of tokens) expect((await ask(token)).kind).toBe("refused");
  });

  test("where the keys cannot be fetched it is the service that is unavailable, not the token that is bad", async () => {
    isUp = false;
    const token = forgeToken({ alg: "RS256", kid: "rs" }, payload(), rsa(rs.privateKey));
    await expect(ask(token)).rejects.toMatchObject({ code: "unavailable" });
  });
});
