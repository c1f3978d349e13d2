/**
 * The signature of a delivery: `t=<Unix seconds>,v1=<hex>`, where the hex is
 * HMAC-SHA256 under the endpoint's secret over the time as it is written, a dot,
 * and the body as it is sent. It is the scheme that Stripe made common ("Verify
 * webhook signatures manually" in its documentation): the time is signed, so that
 * an old delivery cannot be sent again later, and a second scheme could stand
 * beside `v1` while receivers change over.
 */
import { createHmac } from "node:crypto";
import type { UnixSeconds } from "#kernel";

export const SIGNATURE_HEADER = "Anchorbook-Signature";

export function signature(secret: string, time: UnixSeconds, body: string): string {
  const digest = createHmac("sha256", secret).update(`${time}.${body}`).digest("hex");
  return `t=${time},v1=${digest}`;
}
