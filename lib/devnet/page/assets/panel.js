// The panel of the chosen node, and changes by hand.

const tokenKey = "control-token";

export class Panel {
  constructor(said) {
    this.said = said; // announces a text
    this.box = document.getElementById("panel");
    this.node = -1;
    this.token = sessionStorage.getItem(tokenKey) ?? "";
    this.dialog = document.getElementById("token-dialog");
    this.unlock = document.getElementById("unlock");
    this.readHash();
    this.startDialog();
    this.box.addEventListener("click", (e) => this.click(e));
    this.box.addEventListener("submit", (e) => this.submit(e));
    setInterval(() => this.refresh(), 2000);
    this.ready();
  }

  // readHash takes the token from the address of the page, which is never sent to a server.
  readHash() {
    const found = new URLSearchParams(location.hash.slice(1)).get("token");
    if (!found) return;
    this.keep(found);
    history.replaceState(history.state, "", location.pathname + location.search);
  }

  keep(token) {
    this.token = token;
    if (token) sessionStorage.setItem(tokenKey, token);
    else sessionStorage.removeItem(tokenKey);
    if (this.unlock) this.unlock.textContent = token ? "Changes unlocked" : "Unlock changes";
  }

  startDialog() {
    if (!this.dialog) return;
    this.keep(this.token);
    const field = document.getElementById("token");
    this.unlock.addEventListener("click", () => this.ask());
    document.getElementById("token-cancel").addEventListener("click", () => this.dialog.close());
    document.getElementById("token-form").addEventListener("submit", () => {
      this.keep(field.value.trim());
      field.value = "";
      const next = this.next;
      this.next = null;
      if (next && this.token) this.act(next.action, next.text);
    });
  }

  // ask asks for the token, and then makes the change that needs it. What is wrong stands in the dialog: nothing else
  // can be read while it is open.
  ask(next = null, wrong = "") {
    this.next = next;
    document.getElementById("token-wrong").textContent = wrong;
    if (!this.dialog.open) this.dialog.showModal();
  }

  ready() {
    for (const part of this.box.querySelectorAll(".js")) part.hidden = false;
  }

  // redrawn takes over a panel that came with the page: that of the network if the chosen node is no more.
  redrawn() {
    if (!this.box.querySelector("#figures[data-node]")) this.node = -1;
    this.ready();
  }

  // show loads the panel of a node, or of the network.
  async show(node) {
    this.node = node;
    const answer = await fetch(node < 0 ? "/parts/node" : `/parts/node?node=${node}`).catch(() => null);
    if (this.node !== node) return;
    if (!answer?.ok) {
      this.said("The network does not answer.", true);
      return;
    }
    this.box.innerHTML = await answer.text();
    this.ready();
  }

  async refresh() {
    const figures = document.getElementById("figures");
    if (!figures || document.hidden) return;
    const query = this.node < 0 ? "" : `?node=${this.node}`;
    const answer = await fetch("/parts/figures" + query).catch(() => null);
    if (answer?.ok && figures.isConnected) figures.innerHTML = await answer.text();
  }

  // update shows the state of the chosen node at once.
  update(state, text) {
    const tag = document.getElementById("panel-state");
    if (state.i !== this.node || !tag) return;
    tag.className = "tag s" + state.status;
    tag.textContent = text;
  }

  click(e) {
    const button = e.target.closest("button[id]");
    if (!button) return;
    const node = button.dataset.node;
    if (button.id === "node-stop") this.act({ fault: `stop,node=${node}` }, `Node ${node} stopped`);
    if (button.id === "node-start") {
      this.act({ clear: true, kinds: ["stop", "vanish"], nodes: [node] }, `Node ${node} started`);
    }
    if (button.id === "fault-clear") this.act({ clear: true, nodes: [node] }, `Faults of node ${node} cleared`);
    if (button.id === "clear-all") this.act({ clear: true, nodes: ["all"] }, "All faults cleared");
  }

  submit(e) {
    e.preventDefault();
    const form = e.target, data = new FormData(form);
    if (form.id === "difficulty-form") {
      const difficulty = Number(data.get("difficulty"));
      this.act({ difficulty }, `Difficulty is ${difficulty}`);
      return;
    }
    let fault = data.get("kind");
    for (const name of ["requests", "share", "delay", "jitter", "skew", "group"]) {
      const value = data.get(name).trim();
      if (value) fault += `,${name}=${value}`;
    }
    fault += `,node=${data.get("all") ? "all" : form.dataset.node}`;
    this.act({ fault }, `Fault ${data.get("kind")} set`);
  }

  async act(action, text) {
    if (!this.token) {
      this.ask({ action, text });
      return;
    }
    const answer = await fetch("/actions", {
      method: "POST", body: JSON.stringify(action),
      headers: { "Content-Type": "application/json", Authorization: "Bearer " + this.token },
    }).catch(() => null);
    if (answer?.ok) {
      this.said(text, true);
      this.refresh();
      return;
    }
    const wrong = answer ? (await answer.text()).trim() : "The network does not answer.";
    if (answer?.status === 403 || answer?.status === 401) {
      this.keep("");
      this.ask({ action, text }, wrong);
      return;
    }
    this.said(wrong, true);
  }
}
