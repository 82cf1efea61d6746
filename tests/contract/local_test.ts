import { freshDisk } from "../support/disk.ts";
import { conform } from "./suite.ts";

conform({ name: "local", lacks: ["walk"], gives: ["disk"], fresh: freshDisk });
