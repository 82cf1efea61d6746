import { freshDisk } from "../support/disk.ts";
import { conform } from "./suite.ts";

conform({ name: "local", lacks: ["hardLink", "walk"], gives: ["disk"], fresh: freshDisk });
