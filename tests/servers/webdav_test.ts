import { testServers } from "./matrix.ts";

testServers("WebDAV");
