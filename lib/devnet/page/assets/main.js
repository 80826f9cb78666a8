// The page: what the server sends goes to the parts that show it.

import { Ring, setText } from "./ring.js";
import { Motion } from "./motion.js";
import { Timeline } from "./timeline.js";
import { Messages } from "./messages.js";
import { Panel } from "./panel.js";
import { startFind } from "./find.js";

for (const part of document.querySelectorAll(".js")) part.hidden = false;

const live = document.getElementById("live");
const states = ["runs", "runs with faults", "stopped", "did not start", "outside"];
const saidBox = document.getElementById("said");

// say announces a text to screen readers; with shown it is also shown for a while.
function say(text, shown = false) {
  saidBox.textContent = text;
  if (!shown) return;
  live.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(connected, 4000);
}

const ring = new Ring((node) => choose(node, true));
const motion = new Motion(ring);
const timeline = new Timeline(showTime);
const messages = new Messages(ring);
const panel = new Panel(say);
const find = startFind(ring);

function choose(node, push) {
  ring.select(node);
  panel.show(node);
  if (push) history.pushState({}, "", node < 0 ? "/" : `/?node=${node}`);
  if (node >= 0) say(ring.nodes[node]?.link.getAttribute("aria-label") ?? "");
}

function nodeOfAddress() {
  const text = new URLSearchParams(location.search).get("node");
  return text === null ? -1 : Number(text);
}

addEventListener("popstate", () => choose(nodeOfAddress(), false));
document.getElementById("panel").addEventListener("click", (e) => {
  if (!e.target.closest("#panel-close")) return;
  e.preventDefault();
  leave();
});

// leave closes the panel of the chosen node. The keyboard goes on at the node.
function leave() {
  const node = ring.nodes[panel.node];
  choose(-1, true);
  node?.link.focus();
}

addEventListener("keydown", (e) => {
  if (e.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (panel.node >= 0) leave();
  ring.hideHint();
});
panel.node = nodeOfAddress();
ring.select(panel.node);

// showTime shows a second of the past, or the present.
async function showTime(second) {
  motion.clear();
  if (second === null) {
    ring.live();
    return;
  }
  const answer = await fetch(`/past?second=${second}`).catch(() => null);
  if (timeline.at !== second) return;
  if (!answer?.ok) {
    say("Nothing is known of this time.", true);
    return;
  }
  const past = await answer.json();
  if (past.topology !== ring.topology) {
    say("The network had other nodes at this time.", true);
    return;
  }
  ring.showPast(past);
  motion.play(past.events);
}

function showFacts() {
  let running = 0, held = 0;
  for (const { state } of ring.nodes) {
    if (!state) continue;
    if (state.status < 2) running++;
    held += state.messages;
  }
  setText(document.getElementById("fact-running"), running);
  setText(document.getElementById("fact-messages"), held);
}

function showNodes(nodes) {
  for (const state of nodes) {
    if (timeline.at === null) ring.update(state);
    else if (ring.nodes[state.i]) ring.nodes[state.i].state = state;
    panel.update(state, states[state.status]);
  }
  if (nodes.length) showFacts();
}

let stream = null;

function connected() {
  const on = stream?.readyState === EventSource.OPEN;
  live.className = "live " + (on ? "on" : "off");
  live.textContent = on ? "live" : "not connected";
}

function connect() {
  stream?.close();
  stream = new EventSource("/events");
  stream.addEventListener("open", connected);
  stream.addEventListener("error", () => {
    connected();
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  });
  stream.addEventListener("hello", (e) => {
    const data = JSON.parse(e.data);
    if (data.topology !== ring.topology) return redraw();
    timeline.hello(data);
    messages.reset(data.messages);
    setText(document.getElementById("fact-difficulty"), data.difficulty);
    showNodes(data.nodes);
    document.documentElement.dataset.ready = "yes";
  });
  stream.addEventListener("tick", (e) => tick(JSON.parse(e.data)));
}

function tick(data) {
  if (data.topology !== ring.topology) {
    redraw();
    return;
  }
  const last = timeline.tick(data);
  showRate(last);
  if (data.events && timeline.at === null && !document.hidden) motion.play(data.events);
  if (data.messages) messages.add(data.messages);
  setText(document.getElementById("fact-difficulty"), data.difficulty);
  if (data.nodes) showNodes(data.nodes);
}

function showRate(counts) {
  let sum = 0;
  counts.forEach((count) => { sum += count; });
  setText(document.getElementById("rate"), sum);
  setText(document.getElementById("rate-unit"), sum === 1 ? "event a second" : "events a second");
}

// redraw gets the page of a network whose nodes have changed, or of another network that has taken its place.
async function redraw() {
  stream.close();
  connected();
  let fresh;
  try {
    const answer = await fetch("/" + location.search);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch { // it does not answer, as while it starts again
    setTimeout(redraw, 3000);
    return;
  }
  for (const part of ["#ring", "#rows", "#panel", ".facts"]) {
    document.querySelector(part).replaceChildren(...fresh.querySelector(part).childNodes);
  }
  document.title = fresh.title;
  panel.redrawn();
  ring.selected = panel.node;
  ring.read();
  find();
  connect();
}

setInterval(() => timeline.tickSecond(), 1000);

for (const box of document.querySelectorAll(".legend input")) {
  box.addEventListener("change", () => {
    if (box.checked) motion.hidden.delete(box.value);
    else motion.hidden.add(box.value);
  });
}

// The theme: that of the system, or one that was chosen.
const themes = ["system", "light", "dark"], themeButton = document.getElementById("theme");

function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  themeButton.textContent = `Theme: ${theme}`;
  motion.colours();
  timeline.draw();
}

let theme = localStorage.getItem("theme");
if (!themes.includes(theme)) theme = "system";
setTheme(theme);
themeButton.addEventListener("click", () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  localStorage.setItem("theme", theme);
  setTheme(theme);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(theme));

connect();
