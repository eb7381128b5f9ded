// The table of inputs (sort, filter, pages), folded sections, and the switch between dark and light. Everything else works without a script.
"use strict";
(() => {
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = root.dataset.theme || (dark ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  });

  // Sections open when a link leads to them, and all of them for print.
  const folds = [...document.querySelectorAll("section > details")];
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = target && (target.querySelector(":scope > details") || target.closest("details"));
    if (!fold) return;
    fold.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {
    if (event.target.closest && event.target.closest('a[href^="#"]')) setTimeout(reveal, 0);
  });
  reveal();
  const unfold = document.getElementById("unfold");
  unfold.hidden = false;
  unfold.addEventListener("click", () => {
    const open = folds.some((fold) => !fold.open);
    folds.forEach((fold) => { fold.open = open; });
    unfold.textContent = open ? "Close all sections" : "Open all sections";
  });
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folds.filter((fold) => !fold.open);
    closed.forEach((fold) => { fold.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((fold) => { fold.open = false; }));

  // On narrow screens a row is a list: every cell gets the name of its column. Cells may stand in several rows.
  const label = (table) => {
    const heads = table.tHead ? [...table.tHead.rows[0].cells].map((head) => head.textContent.trim()) : [];
    if (!heads.length) return;
    table.classList.add("labelled");
    for (const part of table.tBodies) {
      const held = [];
      for (const row of part.rows) {
        let column = 0;
        for (const cell of row.cells) {
          while (held[column] > 0) held[column++] -= 1;
          cell.dataset.label = heads[column] || "";
          for (let at = 0; at < cell.colSpan; at += 1) held[column++] = cell.rowSpan - 1;
        }
        while (column < held.length) { if (held[column] > 0) held[column] -= 1; column += 1; }
      }
    }
  };
  document.querySelectorAll("table:not(.moved, .bars)").forEach(label);

  const source = document.getElementById("inputs-data");
  if (!source) return;
  const { columns, length } = JSON.parse(source.textContent);
  const table = document.getElementById("inputs-table");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const filters = [...document.querySelectorAll("#inputs-filters [data-column]")];
  const status = document.getElementById("inputs-status");
  const [previous, next] = ["inputs-previous", "inputs-next"].map((id) => document.getElementById(id));
  const SIZE = 50;
  let order = Array.from({ length }, (_, row) => row);
  let shown = order;
  let page = 0;

  // A column is a list of values, or of positions in a list of words.
  const value = (column, row) => {
    const found = column.values[row];
    return column.words && found !== null ? column.words[found] : found;
  };
  // Words sort by their place in the list where that has a meaning (radii), else by the alphabet; what is missing comes last.
  const key = (column, row) => (column.words && column.ranked ? column.values[row] : value(column, row));

  const cell = (column, row) => {
    const td = document.createElement("td");
    const found = value(column, row);
    td.className = column.align || "";
    if (found === null || found === "") td.textContent = "–";
    else if (column.kind === "verdict") {
      const span = document.createElement("span");
      span.className = "verdict " + found;
      span.textContent = found;
      td.append(span);
    } else if (column.kind === "hash") {
      const code = document.createElement("code");
      code.textContent = found.slice(0, 12);
      code.title = found;
      td.append(code);
    } else if (column.kind === "number") td.textContent = Number(found.toPrecision(4)).toString();
    else td.textContent = found;
    return td;
  };

  const draw = () => {
    const pages = Math.max(1, Math.ceil(shown.length / SIZE));
    page = Math.min(page, pages - 1);
    const rows = shown.slice(page * SIZE, (page + 1) * SIZE).map((row) => {
      const tr = document.createElement("tr");
      tr.append(...columns.map((column) => cell(column, row)));
      return tr;
    });
    body.replaceChildren(...rows);
    label(table);
    const from = shown.length ? page * SIZE + 1 : 0;
    const count = (n) => n.toLocaleString("en");
    status.textContent = `${count(from)}–${count(page * SIZE + rows.length)} of ${count(shown.length)} rows` +
      (shown.length < length ? ` (${count(length)} in all)` : "");
    previous.disabled = page === 0;
    next.disabled = page >= pages - 1;
  };

  const filter = () => {
    const wanted = filters.filter((input) => input.value !== "").map((input) => [columns[+input.dataset.column], input.value]);
    shown = order.filter((row) => wanted.every(([column, text]) => {
      const found = value(column, row);
      return String(found === null ? "–" : found) === text;
    }));
    page = 0;
    draw();
  };

  const sort = (at) => {
    const falling = heads[at].getAttribute("aria-sort") === "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[at].setAttribute("aria-sort", falling ? "descending" : "ascending");
    const column = columns[at];
    const sign = falling ? -1 : 1;
    order.sort((a, b) => {
      const [x, y] = [key(column, a), key(column, b)];
      if (x === y) return a - b;
      if (x === null) return 1;
      if (y === null) return -1;
      return sign * (typeof x === "number" ? x - y : x < y ? -1 : 1);
    });
    filter();
  };

  heads.forEach((head, at) => head.firstElementChild.addEventListener("click", () => sort(at)));
  filters.forEach((input) => input.addEventListener("input", filter));
  previous.addEventListener("click", () => { page -= 1; draw(); });
  next.addEventListener("click", () => { page += 1; draw(); });
  draw();
})();
