// Measures how smoothly a browser shows a busy network: 300 nodes and 200 messages a second, which TestBusyPage of
// lib/devnet/page makes.
//
//   SESSIONTOOL_TEST_PAGE=60s go test -run TestBusyPage ./lib/devnet/page    prints the URL
//   node speed.mjs URL [FOLDER]                                              with a folder for screenshots
import { join } from "node:path";
import { chromium } from "playwright-core";

const [, , url, shots] = process.argv;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage({ viewport: { width: 1400, height: 1000 } });
await page.goto(url);
await page.waitForSelector("html[data-ready=yes]");
const result = await page.evaluate(() => new Promise((resolve) => {
  const times = [], began = performance.now();
  const frame = (time) => {
    times.push(time);
    if (time - began < 10_000) return requestAnimationFrame(frame);
    const gaps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
    resolve({
      frames_per_second: Math.round((10 * 1000 * gaps.length) / (times.at(-1) - times[0])) / 10,
      median_ms: gaps[gaps.length >> 1], p95_ms: gaps[Math.floor(gaps.length * 0.95)], most_ms: gaps.at(-1),
    });
  };
  requestAnimationFrame(frame);
}));
console.log(JSON.stringify({ nodes: await page.locator("#dots .node").count(), ...result }));
if (shots) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(shots, `300-busy-${colorScheme}.png`) });
  }
}
await browser.close();
