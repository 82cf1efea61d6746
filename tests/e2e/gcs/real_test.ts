import { realBucketTest } from "../../support/real_bucket.ts";

/** TANDEM_GCS_ENDPOINT: another server than Google's. */
const endpoint = Deno.env.get("TANDEM_GCS_ENDPOINT");

realBucketTest({
  variable: "TANDEM_GCS_URL",
  env: ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "GCE_METADATA_HOST"],
  words: endpoint === undefined ? [] : ["-Endpoint", endpoint],
});
