import type { Backend, BackendRoot } from "../../core/backend.ts";

/**
 * Marks a server's root folder as one that -Remove and -Mirror must not empty without -AllowRoot, unless the backend
 * has marked it or knows it to be ordinary.
 */
export function markServerRoot(inner: Backend): Backend {
  return {
    ...inner,
    root: marked(inner.root),
    withRoot: async (folder, call) => markServerRoot(await inner.withRoot(folder, call)),
  };
}

function marked(root: BackendRoot): BackendRoot {
  const { path, risk, isOrdinary = false } = root;
  if (risk !== undefined || isOrdinary || !/^\/*$/.test(path)) return root;
  return { ...root, risk: "the server's root folder" };
}
