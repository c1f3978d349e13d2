/**
 * The listening socket around the app: limits on what a slow or greedy client
 * can hold, and an end in which requests under way are answered and no new ones
 * come in.
 */
import { createServer, type RequestListener, type Server, STATUS_CODES } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { Lifecycle } from "./lifecycle.ts";

const MAX_HEADER_BYTES = 16_384;
const HEADERS_TIMEOUT_MS = 10_000;
/** The whole request, body included, must have arrived by then. */
const RECEIVE_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const IDLE_SWEEP_MS = 50;

export interface HttpServer {
  readonly port: number;
  readonly url: string;
  /** Takes no new connections, lets requests under way end within the grace time, then cuts what is left. */
  close(graceMs?: number): Promise<void>;
}

/** @throws Error with a clear sentence where the port is taken; another is never tried */
export async function listen(
  app: RequestListener,
  options: { readonly host: string; readonly port: number; readonly lifecycle: Lifecycle },
): Promise<HttpServer> {
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, app);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = RECEIVE_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  server.on("clientError", refuseUnreadable);
  await bind(server, options.host, options.port);
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    port,
    url: `http://${host}:${port}`,
    close: (graceMs = 10_000) => drain(server, options.lifecycle, graceMs),
  };
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const reason =
        cause.code === "EADDRINUSE" ? "is already in use" : `cannot be opened (${cause.code ?? "unknown"})`;
      reject(new Error(`port ${port} on ${host} ${reason}; set PORT to another one`, { cause }));
    });
    server.listen(port, host, resolve);
  });
}

async function drain(server: Server, lifecycle: Lifecycle, graceMs: number): Promise<void> {
  lifecycle.beginDrain();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Connections whose request ends now would otherwise stay open until their keep-alive timeout.
  const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}

/** What Node cannot parse never reaches the app; it gets a problem document all the same. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const status =
    error.code === "HPE_HEADER_OVERFLOW" ? 431 : error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? 408 : 400;
  const title = STATUS_CODES[status] ?? "Bad Request";
  const body = JSON.stringify({
    type: "/docs/errors#invalid_request",
    title,
    status,
    detail: title,
    error: "invalid_request",
    message: title,
    details: null,
  });
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
