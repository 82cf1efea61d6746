import { realBucketTest } from "../../support/real_bucket.ts";

/** What a user of Amazon's tools logs in with. */
const env = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_PROFILE",
  "AWS_REGION",
  "AWS_SHARED_CREDENTIALS_FILE",
  "AWS_CONFIG_FILE",
];

// "s3://bucket/folder", or "s3://host:port/bucket/folder" of another store.
realBucketTest({ variable: "TANDEM_S3_URL", env });

// "spaces://fra1/space/folder".
realBucketTest({ variable: "TANDEM_SPACES_URL", env });
