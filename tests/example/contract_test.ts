import { conform } from "../contract/suite.ts";
import { exampleConformance } from "./fresh.ts";

conform(exampleConformance);
