// The ring: what each node looks like, which one is chosen, and how the keyboard goes from one to the next.

const statusTexts = ["runs", "runs with faults", "stopped", "did not start", "outside"];
const svgNames = "http://www.w3.org/2000/svg";

export class Ring {
  constructor(choose) {
    this.choose = choose; // called with a node's number
    this.box = document.getElementById("ring");
    this.rows = document.getElementById("rows");
    this.hint = document.getElementById("hint");
    this.selected = -1;
    this.held = null; // a message whose copies are shown
    this.box.addEventListener("click", (e) => this.click(e));
    this.rows.addEventListener("click", (e) => this.click(e));
    this.box.addEventListener("keydown", (e) => this.key(e));
    this.box.addEventListener("focusin", (e) => this.focus(e));
    for (const [name, show] of [["pointerover", true], ["pointerout", false], ["focusin", true], ["focusout", false]]) {
      this.box.addEventListener(name, (e) => this.showHint(e, show));
    }
    this.read();
  }

  // read finds the nodes of a ring that the server has drawn.
  read() {
    this.picture = document.getElementById("picture");
    this.topology = Number(this.picture.dataset.topology);
    this.nodes = [];
    for (const link of this.picture.querySelectorAll(".node")) {
      const i = Number(link.dataset.node);
      this.nodes[i] = {
        link, x: Number(link.dataset.x), y: Number(link.dataset.y), dot: link.querySelector(".dot"),
        fill: link.querySelector(".fill"), row: this.rows.querySelector(`tr[data-node="${i}"]`), state: null,
      };
    }
    this.order = [...this.picture.querySelectorAll(".node")];
    this.order.forEach((link, k) => link.setAttribute("tabindex", k ? "-1" : "0"));
    this.radius = Number(this.order[0]?.querySelector(".dot").getAttribute("r") ?? 10);
    this.select(this.selected);
  }

  // update shows the present state of a node.
  update(state) {
    const node = this.nodes[state.i];
    if (!node) return;
    node.state = state;
    this.look(node, state.status, state.messages, state.fill, state.faults);
    if (!node.row || state.status === 4) return;
    node.row.className = "s" + state.status + (state.i === this.selected ? " selected" : "");
    setText(node.row.querySelector(".state"), [statusTexts[state.status], ...(state.faults ?? [])].join(" · "));
    setText(node.row.querySelector(".messages"), state.messages);
    setText(node.row.querySelector(".queued"), state.queued);
    setText(node.row.querySelector(".listeners"), state.listeners);
  }

  look(node, status, messages, fill, faults) {
    for (let s = 0; s < statusTexts.length; s++) node.link.classList.toggle("s" + s, s === status);
    node.fill.setAttribute("r", (this.nodeRadius(node) * Math.sqrt(fill)).toFixed(1));
    const parts = node.link.getAttribute("aria-label").split(", ").slice(0, 3);
    parts.push(statusTexts[status] + (faults?.length ? ` (${faults.join(", ")})` : ""));
    if (status < 2) parts.push(messages === 1 ? "1 message" : `${messages} messages`);
    node.link.setAttribute("aria-label", parts.join(", "));
  }

  nodeRadius(node) { return Number(node.dot.getAttribute("r")); }

  // showPast shows the nodes as they were; live shows them as they are.
  showPast(past) {
    const most = Math.max(1, ...past.messages);
    this.nodes.forEach((node, i) => {
      if (i < past.statuses.length) this.look(node, past.statuses[i], past.messages[i], past.messages[i] / most, []);
    });
  }

  live() {
    for (const node of this.nodes) if (node.state) this.update(node.state);
  }

  select(i) {
    this.selected = i;
    this.nodes.forEach((node, k) => {
      node.link.classList.toggle("selected", k === i);
      node.row?.classList.toggle("selected", k === i);
    });
  }

  click(e) {
    const link = e.target.closest("a[data-node]");
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    this.choose(Number(link.dataset.node));
  }

  key(e) {
    const at = this.order.indexOf(document.activeElement);
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    let to = at;
    if (e.key in steps) to = (at + steps[e.key] + this.order.length) % this.order.length;
    else if (e.key === "Home") to = 0;
    else if (e.key === "End") to = this.order.length - 1;
    else return;
    if (at < 0) return;
    e.preventDefault();
    this.order[to].focus();
  }

  focus(e) {
    const link = e.target.closest(".node");
    if (!link) return;
    for (const other of this.order) other.setAttribute("tabindex", other === link ? "0" : "-1");
  }

  // showHint shows the label of a node beside it.
  showHint(e, show) {
    const link = e.target.closest(".node");
    this.hint.hidden = !show || !link;
    if (this.hint.hidden) return;
    const box = this.picture.getBoundingClientRect(), node = this.nodes[Number(link.dataset.node)];
    const scale = box.width / 1000, right = node.x > 500;
    this.hint.textContent = link.getAttribute("aria-label");
    this.hint.style.left = `${(node.x + (right ? -1 : 1) * (this.radius + 8)) * scale}px`;
    this.hint.style.top = `${node.y * scale}px`;
    this.hint.style.translate = right ? "-100% -50%" : "0 -50%";
  }

  hideHint() { this.hint.hidden = true; }

  // hold shows which nodes have a message, and how it came to them. null shows none.
  hold(message) {
    this.held = message;
    const marker = document.getElementById("marker");
    marker.querySelectorAll(".way").forEach((way) => way.remove());
    this.nodes.forEach((node) => node.link.classList.remove("held"));
    for (const copy of message?.copies ?? []) {
      const to = this.nodes[copy.i], from = this.nodes[copy.from];
      to?.link.classList.add("held");
      if (from && to) {
        const way = document.createElementNS(svgNames, "path");
        way.setAttribute("class", "way");
        way.setAttribute("d", `M${from.x} ${from.y}Q500 500 ${to.x} ${to.y}`);
        marker.append(way);
      }
    }
  }

  // pin marks a position on the ring and the swarm that it belongs to. Without a position it removes the mark.
  pin(turn, swarm) {
    const marker = document.getElementById("marker");
    marker.querySelectorAll(".pin, .pin-line").forEach((part) => part.remove());
    for (const arc of this.picture.querySelectorAll(".arc")) {
      arc.classList.toggle("chosen", turn !== undefined && arc.dataset.swarm === swarm);
    }
    if (turn === undefined) return;
    const at = (radius) => [500 + radius * Math.sin(2 * Math.PI * turn), 500 - radius * Math.cos(2 * Math.PI * turn)];
    const line = document.createElementNS(svgNames, "line"), dot = document.createElementNS(svgNames, "circle");
    const [x1, y1] = at(432), [x2, y2] = at(478);
    for (const [name, value] of Object.entries({ class: "pin-line", x1, y1, x2, y2 })) line.setAttribute(name, value);
    for (const [name, value] of Object.entries({ class: "pin", cx: x2, cy: y2, r: 9 })) dot.setAttribute(name, value);
    marker.append(line, dot);
  }
}

export function setText(element, text) {
  if (element && element.textContent !== String(text)) element.textContent = text;
}
