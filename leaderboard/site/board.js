// Sortable tables, a filter, and the choice of light or dark. Without it the pages are complete, in ranked order.
"use strict";
(() => {
  const valueOf = (row, column, numeric) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    if (!numeric) return text.toLowerCase();
    const value = parseFloat(text);
    return Number.isNaN(value) ? null : value;
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    heads.forEach((head, column) => {
      const button = head.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const numeric = head.classList.contains("num");
        const sorted = head.getAttribute("aria-sort");
        const descending = sorted ? sorted === "ascending" : head.dataset.first === "descending"; // the best first
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row, at) => ({ row, at, value: valueOf(row, column, numeric) }));
        rows.sort((a, b) => {
          if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.at - b.at;
          const order = numeric ? a.value - b.value : a.value.localeCompare(b.value, "en", { numeric: true });
          return (descending ? -order : order) || a.at - b.at;
        });
        table.tBodies[0].append(...rows.map(({ row }) => row));
      });
    });
  }

  for (const field of document.querySelectorAll("input[data-filters]")) {
    const items = document.querySelectorAll(field.dataset.filters);
    field.hidden = false;
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const item of items) item.hidden = !item.textContent.toLowerCase().includes(wanted);
    });
  }

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
  const show = () => { button.textContent = isDark() ? "☀" : "☾"; };
  button.hidden = false;
  show();
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remembered(root.dataset.theme);
    show();
  });
})();
