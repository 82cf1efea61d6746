import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { Progress, progressLine, type ProgressState } from "../../../lib/report/progress.ts";
import { loadWidth, roughWidth } from "../../../lib/report/width.ts";
import { done, failed, planned, removal, upload } from "./given.ts";

/** A terminal of given width and a clock that moves by hand. */
function screen(columns: number | undefined = 80) {
  const written: string[] = [];
  const ticks: (() => void)[] = [];
  let now = 0;
  const ticker = {
    now: () => now,
    every(ms: number, tick: () => void) {
      assert.ok(ms >= 100, "redrawn more than ten times a second");
      ticks.push(tick);
      return () => void ticks.splice(ticks.indexOf(tick), 1);
    },
  };
  const progress = new Progress({ write: (text) => void written.push(text), columns: () => columns }, ticker);
  return {
    progress,
    written,
    get isTicking() {
      return ticks.length > 0;
    },
    /** What the terminal shows after some time. */
    after(ms: number): string {
      now += ms;
      for (const tick of ticks) tick();
      return (written.at(-1) ?? "").replace(/^\r/, "").replace("\u001b[K", "");
    },
  };
}

const state: ProgressState = {
  phase: "move",
  listed: 0,
  filesDone: 120,
  files: 5000,
  bytesDone: 1_200_000,
  bytes: 31_000_000,
  rate: 4_200_000,
  secondsLeft: 7,
  names: ["a/b.txt", "a/c.txt"],
};

Deno.test("progressLine() tells files, bytes, rate, time left and names", () => {
  assert.equal(
    progressLine(state, { columns: 100, measure: roughWidth }),
    "3%  120/5,000 files  1.2 MB of 31.0 MB  4.2 MB/s  0:07 left  a/b.txt, a/c.txt",
  );
});

Deno.test("progressLine() is never wider than the terminal, whatever the names hold", async () => {
  const width = await loadWidth();
  const names = [
    "\u65e5\u672c\u8a9e/\u{1f468}\u200d\u{1f469}\u200d\u{1f467}.txt",
    "x\u001b[2J\u202e",
    "z".repeat(400),
  ];
  for (let columns = 0; columns <= 200; columns += columns < 30 ? 1 : 7) {
    for (const measure of [width, roughWidth]) {
      const line = progressLine({ ...state, names }, { columns, measure });
      assert.ok(width(line) <= columns, `${columns}: ${line}`);
      assert.deepEqual(["\u001b", "\u202e"].filter((unit) => line.includes(unit)), []);
    }
  }
});

Deno.test("progressLine() keeps what matters most on a narrow terminal", () => {
  assert.equal(progressLine(state, { columns: 20, measure: roughWidth }), "3%  120/5,000 files");
});

Deno.test("Progress draws nothing before the first event and between ticks", () => {
  const { progress, written } = screen();
  assert.deepEqual(written, []);
  progress.add({ type: "scanned", side: "local", entries: 5 });
  assert.deepEqual(written, []);
});

Deno.test("Progress counts the listing of both sides, then what the plan moves", () => {
  const { progress, after } = screen();
  progress.add({ type: "scanned", side: "local", entries: 1000 });
  progress.add({ type: "scanned", side: "remote", entries: 234 });
  assert.equal(after(100), "Listing: 1,234");
  const [a, b] = [upload("a", 1000), upload("b", 3000)];
  progress.add(planned({ actions: [a, b] }));
  progress.add({ type: "started", action: a });
  progress.add({ type: "started", action: b });
  progress.add({ type: "progress", action: a, bytes: 1000 });
  progress.add(done(a));
  progress.add({ type: "progress", action: b, bytes: 1000 });
  assert.equal(after(100), "50%  1/2 files  2.0 KB of 4.0 KB  b");
});

Deno.test("Progress takes back what a retry takes back, and forgets what failed", () => {
  const { progress, after } = screen();
  const [a, b, c] = [upload("a", 1000), upload("b", 3000), removal("c")];
  progress.add(planned({ actions: [a, b, c] }));
  progress.add({ type: "started", action: b });
  progress.add({ type: "progress", action: b, bytes: 2000 });
  progress.add({ type: "progress", action: b, bytes: -1500 });
  assert.equal(after(100), "12%  0/3 files  500 bytes of 4.0 KB  b");
  progress.add(failed(b, new SyncError("denied", "No", { operation: "write" })));
  progress.add({ type: "held", action: c, why: "a file failed" });
  assert.equal(after(100), "0%  2/3 files  0 bytes of 1.0 KB");
});

Deno.test("Progress drops a source that vanished", () => {
  const { progress, after } = screen();
  const a = upload("a", 1000);
  progress.add(planned({ actions: [a, upload("b", 1000)] }));
  progress.add({ type: "started", action: a });
  progress.add({ type: "noted", note: { code: "vanished", path: toRelPath("a"), why: "it vanished" } });
  assert.equal(after(100), "0%  1/2 files  0 bytes of 1.0 KB");
});

Deno.test("Progress smooths the rate and tells the time left", () => {
  const { progress, after } = screen();
  const action = upload("a", 100_000_000);
  progress.add(planned({ actions: [action] }));
  progress.add({ type: "started", action });
  after(100);
  for (let i = 0; i < 50; i++) {
    progress.add({ type: "progress", action, bytes: 100_000 });
    after(100);
  }
  const line = after(0);
  assert.match(line, /^5% {2}0\/1 files {2}5\.0 MB of 100 MB {2}1\.0 MB\/s {2}1:35 left {2}a$/);
  progress.add({ type: "progress", action, bytes: 5_000_000 });
  const [, rate] = / ([\d.]+) MB\/s/.exec(after(100)) ?? [];
  assert.ok(Number(rate) > 1 && Number(rate) < 5, `a burst moves the rate to ${rate}`);
});

Deno.test("Progress begins its line at the left, ends it cleared, and leaves the last column free", () => {
  const { progress, written, after } = screen(20);
  progress.add(planned({ actions: [upload("\u65e5\u672c\u8a9e".repeat(20), 10)] }));
  after(100);
  const line = written.at(-1) ?? "";
  assert.ok(line.startsWith("\r") && line.endsWith("\u001b[K"));
  assert.match(line.slice(1, -3), /^[^\r\n]{1,19}$/);
  const wide = screen(60);
  const action = upload("x".repeat(100), 10);
  wide.progress.add(planned({ actions: [action] }));
  wide.progress.add({ type: "started", action });
  assert.equal(wide.after(100).length, 59);
});

Deno.test("Progress does not draw what is there already", () => {
  const { progress, written, after } = screen();
  progress.add({ type: "scanned", side: "local", entries: 5 });
  after(100);
  after(100);
  assert.equal(written.length, 1);
});

Deno.test("Progress yields the terminal until it may resume, and is gone after stop()", async () => {
  const terminal = screen();
  const { progress, written, after } = terminal;
  progress.add({ type: "scanned", side: "local", entries: 5 });
  after(100);
  await progress.hide();
  assert.equal(written.at(-1), "\r\u001b[K");
  after(100);
  assert.equal(written.at(-1), "\r\u001b[K");
  progress.resume();
  assert.equal(after(100), "Listing: 5");
  await progress.stop();
  assert.equal(written.at(-1), "\r\u001b[K");
  assert.equal(terminal.isTicking, false);
  const { length } = written;
  await progress.stop();
  await progress.hide();
  assert.equal(written.length, length);
});

Deno.test("Progress starts anew with the next run", async () => {
  const { progress, after } = screen();
  const action = upload("a", 1000);
  progress.add(planned({ actions: [action] }));
  progress.add({ type: "started", action });
  progress.add(done(action));
  await progress.stop();
  progress.add({ type: "scanned", side: "local", entries: 7 });
  assert.equal(after(100), "Listing: 7");
});
