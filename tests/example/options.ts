import type { ProtocolOption } from "../../lib/core/protocol.ts";

/** The options that the example protocol adds. -Timeout is common to all protocols (cmd/shared/connection_params.ts). */
export const exampleOptions = [
  { name: "Connections", kind: "number", help: "The most connections at once: 4 by default." },
] as const satisfies readonly ProtocolOption[];
