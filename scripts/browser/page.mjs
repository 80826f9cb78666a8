// Shows the page of a devnet to a real browser and checks what a person would see: a message that arrives at three
// nodes and spreads, a node that is stopped by a click, a fault that is set and cleared. The browser must report no
// error, talk to no other host, and axe-core must find nothing serious, in light and dark.
//
//   node page.mjs SESSIONTOOL [FOLDER]     with a folder for screenshots
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const program = process.argv[2], shots = process.argv[3];
const home = await mkdtemp(join(tmpdir(), "sessiontool-browser-"));
const environment = { ...process.env, HOME: home, XDG_STATE_HOME: "", XDG_DATA_HOME: "", XDG_CONFIG_HOME: "" };

// run runs sessiontool and returns its records.
function run(...args) {
  const done = spawnSync(program, args, { env: environment, encoding: "utf8", timeout: 180_000 });
  assert.equal(done.status, 0, `sessiontool ${args.join(" ")}: ${done.stderr}`);
  return done.stdout.trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

const as = (who, ...args) => run("--keystore", join(home, who), ...args);

// checkAccess fails if axe-core finds something serious.
async function checkAccess(page, what) {
  await page.evaluate(readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const text = serious.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 160)).join("\n  ")}`);
  assert.deepEqual(text, [], `axe-core, ${what}`);
}

async function shoot(page, name) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

async function test(context, url, token) {
  const complaints = [], hosts = new Set();
  const page = await context.newPage();
  page.on("console", (m) => { if (m.type() === "error" || m.type() === "warning") complaints.push(m.text()); });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => hosts.add(new URL(request.url()).host));

  await page.goto(`${url}#token=${token}`);
  await page.waitForSelector("html[data-ready=yes]");
  assert.equal(await page.locator("#dots .node").count(), 12);
  assert.equal(await page.locator("#rows tr").count(), 12);
  assert.equal(new URL(page.url()).hash, "", "the token stays in the address");

  // A message of the shell arrives at three nodes and spreads to all six.
  const alice = as("alice", "keygen")[0].session_id;
  const bob = as("bob", "keygen")[0].session_id;
  // moves returns whether something moves on the page within seconds.
  const moves = (seconds) => page.evaluate((seconds) => new Promise((resolve) => {
    const end = performance.now() + 1000 * seconds;
    const canvas = document.getElementById("motion"), copy = new OffscreenCanvas(200, 200);
    const pen = copy.getContext("2d", { willReadFrequently: true });
    const look = () => {
      pen.drawImage(canvas, 0, 0, 200, 200);
      const pixels = pen.getImageData(0, 0, 200, 200).data;
      for (let i = 3; i < pixels.length; i += 4) if (pixels[i]) return resolve(true);
      if (performance.now() > end) return resolve(false);
      setTimeout(look, 50);
    };
    look();
  }), seconds);
  let moved = moves(5);
  const receipt = as("alice", "friend-request", "send", "--to", bob, "--text", "It is me")[0];
  assert.ok(receipt.ok && receipt.stored >= 3);
  // A browser that has little of the processor may have missed the motion: there is more with each request.
  for (let more = 0; !(await moved) && more < 10; more++) {
    moved = moves(5);
    as("bob", "poll");
  }
  assert.ok(await moved, "nothing moves");
  const message = page.locator(`#messages button[data-hash="${receipt.message_hash.slice(0, 16)}"]`);
  await message.locator("text=/^6 of 6/").waitFor();
  // A replica can arrive before the store of the client, on a busy machine.
  const stored = await message.locator("i.stored").count(), replicas = await message.locator("i.replica").count();
  assert.ok(stored >= 1 && replicas >= 2 && stored + replicas === 6, `${stored} stores, ${replicas} replicas`);
  await message.click();
  assert.equal(await page.locator(".node.held").count(), 6);
  await page.locator("#find").fill(bob);
  assert.match(await page.locator("#find-result").textContent(), /^Swarm [0-9a-f]+, nodes \d/);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await checkAccess(page, `the network, ${colorScheme}`);
    await shoot(page, `12-${colorScheme}`);
  }
  await message.click();
  await page.locator("#find").fill("");

  // A click stops a node of Bob's swarm, and swarm check agrees.
  const check = () => as("bob", "swarm", "check")[0];
  const keys = await page.locator("#rows tr td:nth-child(2)").allTextContents();
  const member = check().members[0].pubkey_ed25519;
  const node = keys.findIndex((key) => member.startsWith(key));
  const down = () => check().members.filter((member) => !member.reachable).map((m) => m.pubkey_ed25519.slice(0, 8));
  assert.deepEqual(down(), []);
  await page.locator(`#dots .node[data-node="${node}"]`).click();
  await page.locator("#panel h2", { hasText: `Node ${node}` }).waitFor();
  await checkAccess(page, "a node, dark");
  await page.locator("#node-stop").click();
  await page.locator(`#dots .node.s2[data-node="${node}"]`).waitFor();
  assert.deepEqual(down(), [keys[node]]);
  await shoot(page, "12-stopped-dark");
  await page.locator("#node-start").click();
  await page.locator(`#dots .node.s0[data-node="${node}"]`).waitFor();
  assert.deepEqual(down(), []);

  // A fault is set and cleared.
  await page.selectOption("#fault-form select[name=kind]", "delay");
  await page.fill("#fault-form input[name=delay]", "20ms");
  await page.locator("#fault-form button[type=submit]").click();
  await page.locator(`#rows tr[data-node="${node}"] .state`, { hasText: "delay 20ms" }).waitFor();
  assert.deepEqual(run("devnet", "fault", "list").map((f) => [f.index, f.kind, f.delay_ms]), [[node, "delay", 20]]);
  await page.emulateMedia({ colorScheme: "light" });
  await checkAccess(page, "a node, light");
  await shoot(page, "12-fault-light");
  await page.locator("#fault-clear").click();
  await page.locator(`#dots .node.s0[data-node="${node}"]`).waitFor();
  assert.deepEqual(run("devnet", "fault", "list"), []);

  // The keyboard goes around the ring, and the timeline back to a time when the node was stopped.
  await page.locator("#dots .node").first().focus();
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await page.locator("#panel h2", { hasText: /^Node \d/ }).waitFor();
  await page.locator("#marks button", { hasText: `stopped: node ${node}` }).click();
  await page.locator(`#dots .node.s2[data-node="${node}"]`).waitFor();
  await page.locator("#time-live").click();
  await page.locator(`#dots .node.s0[data-node="${node}"]`).waitFor();

  assert.deepEqual(complaints, []);
  assert.deepEqual([...hosts], [new URL(url).host]);
  await page.close();
}

// testKeyboard checks that Escape leaves the panel of a node, that the keyboard then goes on at the node, and that a
// wrong token is named in the dialog that asks for another.
async function testKeyboard(context, url, token) {
  const page = await context.newPage();
  await page.goto(`${url}#token=${"0".repeat(64)}`);
  await page.waitForSelector("html[data-ready=yes]");
  const focused = () => page.evaluate(() => document.activeElement.dataset.node);
  for (const leave of [() => page.keyboard.press("Escape"), () => page.locator("#panel-close").press("Enter")]) {
    await page.locator("#dots .node[data-node='3']").focus();
    await page.keyboard.press("Enter");
    await page.locator("#panel h2", { hasText: "Node 3" }).waitFor();
    await leave();
    await page.locator("#panel h2", { hasText: "The network" }).waitFor();
    assert.equal(await focused(), "3");
  }
  await page.keyboard.press("Escape");
  assert.ok(await page.locator("#hint").isHidden());
  await page.keyboard.press("Enter");
  await page.locator("#node-stop").press("Enter");
  await page.locator("#token-wrong", { hasText: "the token is not this network's" }).waitFor();
  await checkAccess(page, "a wrong token");
  await page.locator("#token").fill(token);
  await page.keyboard.press("Enter");
  await page.locator("#dots .node.s2[data-node='3']").waitFor();
  assert.equal(await page.locator("#token-dialog").isVisible(), false);
  await page.locator("#node-start").press("Enter");
  await page.locator("#dots .node.s0[data-node='3']").waitFor();
  await page.close();
}

// testRestart checks that an open page shows the network that comes after its own, with other nodes at the same address.
async function testRestart(context) {
  const dir = join(home, "again"), at = ["--dir", dir];
  const up = (nodes, address) => run("devnet", "up", "--detach", "--nodes", nodes, "--page", address, ...at)[0].page_url;
  const url = up("4", "127.0.0.1:0"), page = await context.newPage();
  await page.goto(url);
  await page.waitForSelector("html[data-ready=yes]");
  assert.equal(await page.locator("#dots .node").count(), 4);
  // The stream comes back before all parts do: the page must not be content with the first failure.
  let refused = 0;
  await page.route(url, (route) => (refused++ < 1 ? route.abort() : route.continue()));
  run("devnet", "down", ...at);
  await page.locator("#live.off").waitFor();
  up("5", new URL(url).host);
  await page.locator("#dots .node").nth(4).waitFor();
  await page.locator("#live.on").waitFor();
  assert.equal(await page.locator("#rows tr").count(), 5);
  assert.equal(refused, 2);
  assert.match(await page.locator(".facts").textContent(), /5\s*of 5/);
  run("devnet", "down", ...at);
  await page.close();
}

// testWithoutScript checks that the page is whole without JavaScript.
async function testWithoutScript(browser, url) {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(url);
  assert.equal(await page.locator("#dots .node").count(), 12);
  await page.locator("#rows a").nth(4).click();
  assert.match(await page.locator("#panel").textContent(), /Node 4.*messages/s);
  assert.equal(await page.locator("#node-stop").isVisible(), false);
  await shoot(page, "12-without-script");
  await context.close();
}

let browser;
try {
  const up = run("devnet", "up", "--detach", "--nodes", "12", "--swarm-size", "6", "--page", "127.0.0.1:0")[0];
  const token = new URL(run("devnet", "page", "--token")[0].page_url).hash.slice("#token=".length);
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
  const context = await browser.newContext({ viewport: { width: 1400, height: 1000 } });
  context.setDefaultTimeout(180_000); // which only a hang reaches
  await test(context, up.page_url, token);
  await testKeyboard(context, up.page_url, token);
  await testRestart(context);
  await testWithoutScript(browser, up.page_url);
} finally {
  await browser?.close();
  spawnSync(program, ["devnet", "down"], { env: environment });
  spawnSync(program, ["devnet", "down", "--dir", join(home, "again")], { env: environment });
  await rm(home, { recursive: true, force: true });
}
