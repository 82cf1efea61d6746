/** These cases look at a folder that holds nothing, or count on an absent one. */
export const noFolders: Readonly<Record<string, string>> = Object.fromEntries(
  [
    "list() of an empty folder gives nothing",
    "list() tells folders, files and their sizes",
    "withRoot() gives a backend whose dispose closes nothing",
    "write() to a missing parent rejects with notFound",
    "write() over an empty folder rejects and leaves the folder",
    "write() that expects a folder rejects with changed when a file is there",
    "makeDir() makes a folder and gives its entry",
    "makeDir() in a missing parent rejects with notFound",
    "makeDir() of a root makes its parents too",
    "remove() removes an empty folder, and what is absent is no error",
    "remove() of a folder that holds something rejects with changed",
    "remove() of a file where a folder is now rejects with changed",
    "remove() of a folder where a file is now rejects with changed",
  ].map((name) => [name, "a folder is there only while it holds something"]),
);
