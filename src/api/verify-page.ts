/** `/verify`: the page that checks a proof in the reader's browser, as it was built; this server has no part in the checking. */
import { readFile } from "node:fs/promises";
import { RawContent } from "./reply.ts";
import { defineRoute, type Route } from "./route.ts";

const PAGE = new URL("../verify-page/verify.html", import.meta.url);

export function verifyPageRoute(): Route {
  let page: Promise<RawContent> | undefined;
  return defineRoute({
    method: "get",
    path: "/verify",
    summary: "A page that checks a proof file in the browser",
    description:
      "One HTML file without any other; saved, it works from disk. It asks nothing of this server.",
    tags: ["service"],
    auth: { public: true, ignoreToken: true },
    responseType: "text/html",
    handler: () => {
      page ??= readPage();
      return page;
    },
  });
}

/** The page brings its own policy, by the hashes of what it runs; that it may be in no frame, only a header can say. */
async function readPage(): Promise<RawContent> {
  const html = await readFile(PAGE, "utf8");
  const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1];
  if (policy === undefined) throw new Error("the page has no policy");
  return new RawContent(html, "text/html; charset=utf-8", {
    "Content-Security-Policy": `${policy}; frame-ancestors 'none'`,
  });
}
