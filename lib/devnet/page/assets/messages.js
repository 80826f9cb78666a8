// The newest messages, and which members of their swarm have them.

import { clock } from "./timeline.js";

const shown = 12, interval = 400, client = -1;

export class Messages {
  constructor(ring) {
    this.ring = ring;
    this.byHash = new Map();
    this.items = new Map(); // what stands in the list, by hash
    this.chosen = null;
    this.list = document.getElementById("messages");
    this.list.addEventListener("click", (e) => {
      const button = e.target.closest("button");
      if (button) this.choose(button.dataset.hash);
    });
    this.due = null;
  }

  reset(messages) {
    this.byHash.clear();
    this.add([...messages].reverse());
  }

  add(messages) {
    for (const message of messages) {
      this.byHash.set(message.hash, message);
      if (message.hash === this.chosen) this.ring.hold(message);
    }
    const newest = [...this.byHash.values()].sort((a, b) => b.t - a.t);
    for (const old of newest.slice(4 * shown)) if (old.hash !== this.chosen) this.byHash.delete(old.hash);
    this.due ??= setTimeout(() => this.draw(), interval);
  }

  choose(hash) {
    this.chosen = this.chosen === hash ? null : hash;
    this.ring.hold(this.chosen ? this.byHash.get(this.chosen) : null);
    this.draw();
  }

  draw() {
    clearTimeout(this.due);
    this.due = null;
    const newest = [...this.byHash.values()].sort((a, b) => b.t - a.t).slice(0, shown);
    document.getElementById("no-messages").hidden = newest.length > 0;
    const items = new Map(newest.map((message) => [message.hash, this.items.get(message.hash) ?? this.item()]));
    for (const [hash, item] of this.items) if (items.get(hash) !== item) item.remove();
    this.items = items;
    // Items stay where they are as far as possible: a click that began on one ends there, and it keeps the focus.
    let before = this.list.firstElementChild;
    for (const message of newest) {
      const item = items.get(message.hash);
      this.fill(item.firstElementChild, message);
      if (item === before) before = before.nextElementSibling;
      else this.list.insertBefore(item, before);
    }
  }

  item() {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    item.append(button);
    return item;
  }

  // fill shows a message in its button.
  fill(button, message) {
    button.dataset.hash = message.hash;
    button.setAttribute("aria-pressed", String(message.hash === this.chosen));
    const look = `${message.need} ${message.copies.map((copy) => copy.from).join()}`;
    if (button.dataset.look === look) return;
    button.dataset.look = look;
    const code = document.createElement("code"), beads = document.createElement("span");
    const note = document.createElement("small");
    code.textContent = message.hash.slice(0, 12);
    beads.className = "beads";
    for (let k = 0; k < Math.max(message.need, message.copies.length); k++) {
      const bead = document.createElement("i"), copy = message.copies[k];
      if (copy) bead.className = copy.from === client ? "stored" : "replica";
      beads.append(bead);
    }
    const count = message.copies.length, last = message.copies[count - 1];
    note.textContent = `${count} of ${message.need}` + (count >= message.need && last ? ` in ${last.after} ms` : "");
    const clients = message.copies.filter((copy) => copy.from === client).length;
    const more = document.createElement("span");
    more.className = "unseen";
    more.textContent = `, message of ${clock(message.t)}, ${clients} copies from the client`;
    button.title = `${clock(message.t)}, swarm ${message.swarm}`;
    button.replaceChildren(code, " ", beads, note, more);
  }
}
