import { testServers } from "./matrix.ts";

testServers("S3");
