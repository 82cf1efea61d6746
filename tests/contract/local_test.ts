import { freshDisk } from "../support/disk.ts";
import { conform } from "./suite.ts";

const local = { lacks: ["hardLink", "walk"], gives: ["disk"] } as const;

conform({ name: "local", ...local, fresh: () => freshDisk() });
conform({ name: "local, folders compared", ...local, fresh: () => freshDisk({ handles: false }) });
