// Sortable tables, families of tasks that fold, filters, and the choice of light or dark. What is chosen stands in the
// address, so that it can be sent. Without any of it the pages are complete, in ranked order.
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // The address: #q=…&track=…&sort=table:column:descending&open=family
  const state = new URLSearchParams();
  const read = () => {
    for (const key of [...state.keys()]) state.delete(key);
    if (location.hash.includes("=")) for (const [key, value] of new URLSearchParams(location.hash.slice(1))) state.set(key, value);
  };
  const write = (key, value) => {
    if (value) state.set(key, value);
    else state.delete(key);
    history.replaceState(null, "", String(state) ? `#${state}` : location.pathname + location.search);
  };

  // Sorting
  const headsOf = (table) => (table.tHead ? [...table.tHead.rows[table.tHead.rows.length - 1].cells] : []);
  const valueOf = (row, column, numeric) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    if (!numeric) return text.toLowerCase();
    const value = parseFloat(text);
    return Number.isNaN(value) ? null : value;
  };
  const sort = (table, column, descending) => {
    const heads = headsOf(table);
    const numeric = heads[column].classList.contains("num");
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row, at) => ({ row, at, value: valueOf(row, column, numeric) }));
    rows.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.at - b.at;
      const order = numeric ? a.value - b.value : a.value.localeCompare(b.value, "en", { numeric: true });
      return (descending ? -order : order) || a.at - b.at;
    });
    table.tBodies[0].append(...rows.map(({ row }) => row));
  };
  const tables = all("table.sortable");
  for (const table of tables) {
    headsOf(table).forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
      const sorted = head.getAttribute("aria-sort");
      const descending = sorted ? sorted === "ascending" : head.dataset.first === "descending"; // the best first
      sort(table, column, descending);
      write("sort", [table.dataset.name, head.dataset.key, descending ? "descending" : "ascending"].join(":"));
    }));
  }
  const sortAsTold = () => {
    const [name, key, direction] = (state.get("sort") ?? "").split(":");
    const table = tables.find((one) => one.dataset.name === name);
    const column = table ? headsOf(table).findIndex((head) => head.dataset.key === key) : -1;
    if (column >= 0) sort(table, column, direction === "descending");
  };

  // Families of tasks: folded into one column each where the table would not fit, unless they are wanted open
  const overviews = all("table.overview");
  const show = (table, family, folded, away) => {
    let shown = 0;
    headsOf(table).forEach((head, column) => {
      if (head.dataset.family !== family) return;
      const hidden = away || head.classList.contains("fold") !== folded;
      shown += !hidden;
      for (const row of [head.parentElement, ...all("tbody tr", table)]) row.cells[column].hidden = hidden;
    });
    const top = all(".families th", table).find((one) => one.dataset.family === family);
    top.hidden = away;
    if (shown) top.colSpan = shown;
    top.classList.toggle("folded", folded);
  };
  const foldable = (table) => all(".families th", table).filter((top) => top.querySelector("button"));
  const fit = () => {
    const open = (state.get("open") ?? "").split("|");
    for (const table of overviews) {
      for (const top of all(".families th", table)) {
        show(table, top.dataset.family, false, Boolean(state.get("family")) && state.get("family") !== top.dataset.family);
      }
      const left = foldable(table).filter((top) => !top.hidden && !open.includes(top.dataset.family));
      left.sort((a, b) => a.colSpan - b.colSpan);
      while (left.length && table.scrollWidth > table.parentElement.clientWidth) show(table, left.pop().dataset.family, true, false);
    }
  };
  for (const top of overviews.flatMap(foldable)) {
    top.querySelector("button").addEventListener("click", () => {
      const folded = !top.classList.contains("folded");
      const open = new Set((state.get("open") ?? "").split("|").filter(Boolean));
      if (folded) open.delete(top.dataset.family);
      else open.add(top.dataset.family);
      show(top.closest("table"), top.dataset.family, folded, false);
      write("open", [...open].join("|"));
    });
  }

  // Filters: an item has data-<facet>, one or several values with | between them; a group without items is put away
  const form = document.querySelector("form.filters");
  const matches = (item) => [...form.elements].filter((field) => field.name && field.value).every((field) => {
    if (field.name === "q") return item.textContent.toLowerCase().includes(field.value.trim().toLowerCase());
    return (item.dataset[field.name] ?? "").split("|").includes(field.value);
  });
  const filter = () => {
    const items = all("[data-item]");
    for (const item of items) item.hidden = !matches(item);
    for (const group of all("[data-group]").reverse()) group.hidden = !group.querySelector("[data-item]:not([hidden])");
    const left = items.filter((item) => !item.hidden && !item.closest(".phone")).length;
    form.querySelector("output").textContent = `${left} of ${items.filter((item) => !item.closest(".phone")).length}`;
    const nothing = document.querySelector(".nothing");
    if (nothing) nothing.hidden = left > 0;
    fit();
  };
  const fillIn = () => {
    for (const field of form.elements) if (field.name) field.value = state.get(field.name) ?? "";
  };
  if (form) {
    form.hidden = false;
    const changed = () => {
      for (const field of form.elements) if (field.name) write(field.name, field.value.trim());
      filter();
    };
    form.addEventListener("input", changed);
    form.addEventListener("reset", () => setTimeout(changed));
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  const asTold = () => {
    read();
    sortAsTold();
    if (form) {
      fillIn();
      filter();
    } else fit();
  };
  addEventListener("hashchange", asTold);
  addEventListener("resize", fit);
  asTold();

  // Light or dark
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const remembered = (value) => {
    try {
      if (value !== undefined) localStorage.setItem("theme", value);
      return localStorage.getItem("theme");
    } catch {
      return null; // storage may be switched off for files
    }
  };
  const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const stored = remembered();
  if (stored === "dark" || stored === "light") root.dataset.theme = stored;
  const showTheme = () => { button.textContent = isDark() ? "☀" : "☾"; };
  button.hidden = false;
  showTheme();
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remembered(root.dataset.theme);
    showTheme();
  });
})();
