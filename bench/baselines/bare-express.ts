/**
 * What Express itself costs: one route that answers a JSON text it already has,
 * without token, schema, log or database. A process of its own; says its port to
 * its parent, which names the size of the answer.
 */
import type { AddressInfo } from "node:net";
import express from "express";

const answer = { filler: "x".repeat(Number(process.env.BARE_ANSWER_BYTES)) };
const app = express();
app.disable("x-powered-by");
app.disable("etag");
app.get("/", (_req, res) => {
  res.json(answer);
});
const server = app.listen(0, "127.0.0.1", () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.once("disconnect", () => process.exit(0));
