// The timeline: how much happened in each of the last seconds, what was changed, and going back to a second.

import { groups } from "./motion.js";

const stack = ["onion", "other", "stored", "replica", "delivered", "bad"];

export class Timeline {
  constructor(show) {
    this.show = show; // called with a Unix time, or null for now
    this.seconds = new Map(); // counts by kind
    this.marks = [];
    this.at = null; // the second that is shown, null for now
    this.offset = 0; // the server's clock less ours, in milliseconds
    this.slider = document.getElementById("time");
    this.bars = document.getElementById("bars");
    this.text = document.getElementById("time-text");
    this.back = document.getElementById("time-live");
    this.list = document.getElementById("marks");
    this.slider.addEventListener("input", () => this.slide());
    this.back.addEventListener("click", () => this.go(null));
    this.list.addEventListener("click", (e) => {
      const button = e.target.closest("button");
      if (button) this.go(Number(button.dataset.second));
    });
    this.bars.addEventListener("click", (e) => {
      const box = this.bars.getBoundingClientRect();
      this.go(this.now() - Math.round((1 - (e.clientX - box.left) / box.width) * this.span));
    });
    this.span = 600;
    new ResizeObserver(() => this.draw()).observe(this.bars);
  }

  now() { return Math.floor((Date.now() + this.offset) / 1000); }

  hello(data) {
    this.offset = data.t - Date.now();
    this.span = data.span;
    this.slider.min = -this.span;
    this.seconds = new Map(data.history.map(([second, ...counts]) => [second, counts]));
    this.marks = [];
    this.addMarks(data.marks);
    this.tickSecond();
  }

  // tick adds the counts of a frame. It returns the number of events of the last whole second, by kind.
  tick(data) {
    const second = Math.floor(data.t / 1000), counts = this.seconds.get(second);
    if (counts) data.counts.forEach((count, kind) => { counts[kind] += count; });
    else this.seconds.set(second, [...data.counts]);
    if (data.marks) this.addMarks(data.marks);
    for (const old of this.seconds.keys()) {
      if (old >= second - this.span) break;
      this.seconds.delete(old);
    }
    return this.seconds.get(second - 1) ?? [];
  }

  addMarks(marks) {
    for (const mark of marks) {
      if (!this.marks.some((m) => m.t === mark.t && m.text === mark.text)) this.marks.push(mark);
    }
    this.marks = this.marks.slice(-100);
    const items = this.marks.slice(-8).reverse().map((mark) => {
      const item = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.dataset.second = Math.floor(mark.t / 1000);
      button.textContent = `${clock(mark.t)} ${mark.text}`;
      item.append(button);
      return item;
    });
    this.list.replaceChildren(...items);
  }

  // tickSecond moves everything on by a second.
  tickSecond() {
    if (this.at !== null && this.at < this.now() - this.span) this.go(null);
    this.slider.value = this.at === null ? 0 : this.at - this.now();
    this.describe();
    this.draw();
  }

  slide() {
    const value = Number(this.slider.value);
    this.go(value === 0 ? null : this.now() + value);
  }

  go(second) {
    this.at = second !== null && second < this.now() ? second : null;
    this.slider.value = this.at === null ? 0 : this.at - this.now();
    this.back.disabled = this.at === null;
    document.body.classList.toggle("past", this.at !== null);
    this.describe();
    this.draw();
    this.show(this.at);
  }

  describe() {
    const text = this.at === null ? "now" : `${clock(this.at * 1000)}, ${ago(this.now() - this.at)} ago`;
    this.text.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
  }

  draw() {
    const scale = Math.min(devicePixelRatio || 1, 2), canvas = this.bars;
    const width = canvas.clientWidth * scale, height = canvas.clientHeight * scale;
    if (!width) return;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue("--" + name).trim();
    const now = this.now(), step = width / this.span, foot = height - 26 * scale;
    const sums = [];
    let most = 8;
    for (const [second, counts] of this.seconds) {
      const sum = Object.fromEntries(stack.map((name) => [name, 0]));
      counts.forEach((count, kind) => { sum[groups[kind]] += count; });
      const total = Object.values(sum).reduce((a, b) => a + b, 0);
      if (total) sums.push([second, sum]);
      most = Math.max(most, total);
    }
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = colour("edge");
    pen.fillRect(0, foot, width, scale);
    for (const [second, sum] of sums) {
      const x = width - (now - second + 1) * step;
      let y = foot;
      for (const name of stack) {
        const part = (sum[name] / most) * (foot - 4 * scale);
        pen.fillStyle = colour(name);
        pen.fillRect(x, y - part, Math.max(step - 0.5, 1), part);
        y -= part;
      }
    }
    pen.font = `${11 * scale}px system-ui, sans-serif`;
    pen.fillStyle = colour("quiet");
    for (let ago = 0; ago <= this.span; ago += width < 500 * scale ? 300 : 120) {
      const x = width - ago * step;
      pen.textAlign = ago === 0 ? "right" : ago === this.span ? "left" : "center";
      pen.fillText(ago ? `${ago / 60} min ago` : "now", x, height - 2 * scale);
      pen.fillRect(Math.min(x, width - scale), foot, scale, 4 * scale);
    }
    pen.fillStyle = colour("fault");
    for (const mark of this.marks) {
      const x = width - (now - mark.t / 1000 + 0.5) * step;
      pen.beginPath();
      pen.moveTo(x, foot + 2 * scale);
      pen.lineTo(x + 5 * scale, foot + 11 * scale);
      pen.lineTo(x - 5 * scale, foot + 11 * scale);
      pen.fill();
    }
    if (this.at !== null) {
      pen.fillStyle = colour("accent");
      pen.fillRect(width - (now - this.at + 0.5) * step - scale, 0, 2 * scale, foot);
    }
  }
}

export function clock(milliseconds) { return new Date(milliseconds).toLocaleTimeString([], { hour12: false }); }

function ago(seconds) {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
