/**
 * The body of a request as JSON, read after the caller is known, within the
 * route's limit. An empty body is an empty object, so that what is missing is
 * named by the schema.
 */
import express, { type Request, type RequestHandler, type Response } from "express";
import { HttpRefusal } from "./problem.ts";
import { parseStrictJson } from "./strict-json.ts";

export type ReadBody = (req: Request, res: Response) => Promise<unknown>;

export function createReadBody(maxBytes: number): ReadBody {
  // No decompression: a small compressed body must not become a large one here.
  const readRaw = express.raw({ type: () => true, limit: maxBytes, inflate: false });
  return async (req, res) => {
    await run(readRaw, req, res);
    const bytes: unknown = req.body;
    if (!(bytes instanceof Uint8Array) || bytes.length === 0) return {};
    assertJson(req);
    return parseStrictJson(bytes);
  };
}

const JSON_TYPE = /^application\/(?:[\w.!#$&^+-]+\+)?json$/i;

function assertJson(req: Request): void {
  const [type = "", ...parameters] = (req.get("content-type") ?? "").split(";").map((part) => part.trim());
  const charset = parameters.find((parameter) => /^charset=/i.test(parameter))?.slice("charset=".length);
  const isUtf8 = charset === undefined || /^"?utf-?8"?$/i.test(charset);
  if (!JSON_TYPE.test(type) || !isUtf8)
    throw new HttpRefusal("invalid_request", 415, "The body must be application/json in UTF-8", {
      Accept: "application/json",
    });
}

function run(middleware: RequestHandler, req: Request, res: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    middleware(req, res, (error?: unknown) => (error === undefined ? resolve() : reject(error)));
  });
}
