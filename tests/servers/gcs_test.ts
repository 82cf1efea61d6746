import { testServers } from "./matrix.ts";

testServers("GCS");
