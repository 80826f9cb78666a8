// Finding the swarm of a Session ID. The ID never leaves the browser.

const end = (1n << 64n) - 2n; // the end of the ring for distances across it, as nodes have it

export function startFind(ring) {
  const input = document.getElementById("find"), result = document.getElementById("find-result");
  const show = () => {
    const text = input.value.trim().toLowerCase();
    if (text === "") {
      result.textContent = "";
      ring.pin();
      return;
    }
    if (!/^05[0-9a-f]{64}$/.test(text)) {
      result.textContent = text.length < 66 ? `${text.length} of 66 characters` : "That is no Session ID.";
      ring.pin();
      return;
    }
    let position = 0n;
    for (let i = 0; i < 4; i++) position ^= BigInt("0x" + text.slice(2 + 16 * i, 18 + 16 * i));
    const swarms = document.querySelector(".arcs").dataset.swarms.split(" ").filter(Boolean);
    const swarm = choose(position, swarms.map((id) => BigInt("0x" + id)));
    if (swarm === null) {
      result.textContent = "There are no swarms.";
      return;
    }
    const id = swarm.toString(16);
    const nodes = [...document.querySelectorAll("#rows tr")].filter((row) => row.cells[2].textContent === id);
    result.textContent = `Swarm ${id}, nodes ${nodes.map((row) => row.dataset.node).join(", ")}`;
    ring.pin(Number(position) / 2 ** 64, id);
  };
  input.addEventListener("input", show);
  return show;
}

// choose returns the nearest swarm as the nodes choose it: see package swarm.
export function choose(x, ids) {
  if (ids.length === 0) return null;
  const distance = (id) => (x > id ? x - id : id - x);
  let nearest = ids[0], lowest = ids[0], highest = ids[0];
  for (const id of ids) {
    if (distance(id) < distance(nearest) || (distance(id) === distance(nearest) && id < nearest)) nearest = id;
    if (id < lowest) lowest = id;
    if (id > highest) highest = id;
  }
  if (x > highest && end - x + lowest < distance(nearest)) return lowest;
  if (x < lowest && x + (end - highest) < distance(nearest)) return highest;
  return nearest;
}
