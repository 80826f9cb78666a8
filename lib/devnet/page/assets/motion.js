// What moves: dots that go from node to node, and flashes at nodes, on a canvas above the ring. Nothing is drawn while
// nothing moves.

// groups are the legend's names of the kinds of events, in the server's order.
export const groups = [
  "onion", "onion", "bad", "stored", "replica", "other", "other", "delivered", "other", "bad",
];
const [enter, onion, lost, , replica, , , delivered] = groups.keys();

const hopTime = 340, flashTime = 620, client = -1;
const maxMoving = 500;

export class Motion {
  constructor(ring) {
    this.ring = ring;
    this.canvas = document.getElementById("motion");
    this.pen = this.canvas.getContext("2d");
    this.moving = [];
    this.hidden = new Set(); // groups that are not shown
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.running = false;
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    this.colours();
  }

  colours() {
    const style = getComputedStyle(document.documentElement);
    this.colour = Object.fromEntries(groups.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
  }

  resize() {
    const scale = Math.min(devicePixelRatio || 1, 2);
    this.canvas.width = this.canvas.clientWidth * scale;
    this.canvas.height = this.canvas.clientHeight * scale;
    this.pen.setTransform(this.canvas.width / 1000, 0, 0, this.canvas.height / 1000, 0, 0);
  }

  clear() { this.moving = []; }

  // play shows the events of a frame. Hops of an onion follow each other, and what a node does follows its arrival, so
  // that the eye can go along although all happened within milliseconds.
  play(events) {
    const now = performance.now();
    let hops = 0;
    for (const [kind, , , hop] of events) if (kind === onion || kind === enter) hops = Math.max(hops, hop + 1);
    const arrived = now + (hops ? (hops + 1) * hopTime : 0);
    for (const [kind, from, to, hop, times] of events) {
      if (this.hidden.has(groups[kind]) || this.moving.length >= maxMoving) continue;
      let start = arrived;
      if (kind === enter) start = now;
      else if (kind === onion || kind === lost) start = now + (hop + 1) * hopTime;
      else if (kind === replica) start = arrived + hopTime / 2;
      this.add(kind, from, to, start, times);
    }
    if (!this.running && this.moving.length) {
      this.running = true;
      requestAnimationFrame((time) => this.draw(time));
    }
  }

  add(kind, from, to, start, times) {
    const a = from === client ? this.outside(to) : this.ring.nodes[from];
    const b = to === client ? this.outside(from) : this.ring.nodes[to];
    if (!a || !b) return;
    const size = Math.min(10, 4.5 + Math.log2(times) * 1.3), radius = this.ring.radius;
    this.moving.push({ kind, group: groups[kind], a, b, start, size, radius, flash: from === to || this.still.matches });
  }

  // outside is a place beyond a node, where its clients are.
  outside(i) {
    const node = this.ring.nodes[i];
    if (!node) return null;
    const length = Math.hypot(node.x - 500, node.y - 500) || 1, away = 530 / length;
    return { x: 500 + (node.x - 500) * away, y: 500 + (node.y - 500) * away };
  }

  draw(time) {
    this.pen.clearRect(0, 0, 1000, 1000);
    const left = [];
    for (const m of this.moving) {
      const part = (time - m.start) / (m.flash ? flashTime : hopTime);
      if (part < 1) left.push(m);
      if (part >= 0 && part < 1) m.flash ? this.flash(m, part) : this.dot(m, part);
    }
    this.moving = left;
    this.running = left.length > 0;
    if (this.running) requestAnimationFrame((next) => this.draw(next));
    else this.pen.clearRect(0, 0, 1000, 1000);
  }

  flash(m, part) {
    const pen = this.pen;
    pen.globalAlpha = 1 - part;
    pen.strokeStyle = this.colour[m.group];
    pen.lineWidth = 4 * (1 - part) + 1;
    pen.beginPath();
    pen.arc(m.b.x, m.b.y, m.radius + 3 + 22 * part, 0, 2 * Math.PI);
    pen.stroke();
    pen.globalAlpha = 1;
  }

  // dot draws a dot on a curve that bends towards the middle, with a short tail.
  dot(m, part) {
    const pen = this.pen, t = part * part * (3 - 2 * part), tail = Math.max(0, t - 0.22);
    const [x, y] = along(m.a, m.b, t), [tx, ty] = along(m.a, m.b, tail);
    pen.strokeStyle = pen.fillStyle = this.colour[m.group];
    pen.globalAlpha = 0.45;
    pen.lineWidth = m.size * 0.8;
    pen.lineCap = "round";
    pen.beginPath();
    pen.moveTo(tx, ty);
    pen.lineTo(x, y);
    pen.stroke();
    pen.globalAlpha = m.kind === lost ? 1 - part * 0.8 : 1;
    pen.beginPath();
    if (m.kind === replica || m.kind === delivered) pen.rect(x - m.size, y - m.size, 2 * m.size, 2 * m.size);
    else pen.arc(x, y, m.size * 1.15, 0, 2 * Math.PI);
    pen.fill();
    pen.globalAlpha = 1;
  }
}

// along returns a point of a quadratic curve whose middle is drawn towards the centre of the ring.
function along(a, b, t) {
  const cx = ((a.x + b.x) / 2) * 0.45 + 500 * 0.55, cy = ((a.y + b.y) / 2) * 0.45 + 500 * 0.55, u = 1 - t;
  return [u * u * a.x + 2 * u * t * cx + t * t * b.x, u * u * a.y + 2 * u * t * cy + t * t * b.y];
}
