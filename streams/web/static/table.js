// Tables from columns and rows. On a phone each row becomes a card (table.css).
import { h } from "./dom.js";

/**
 * `columns`: { title, cell(row) → node or string, number, name, wide, sort (key), hint }.
 * `sorting`: { key, descending, change(key) } where columns can be sorted.
 */
export function table(caption, columns, rows, sorting = null) {
  return h(
    "div",
    { class: "tablewrap" },
    h(
      "table",
      { "aria-label": caption },
      h("thead", {}, h("tr", {}, columns.map((column) => heading(column, sorting)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((column) => cell(column, row))))),
    ),
  );
}

function kind(column) {
  return [column.number && "number", column.name && "name", column.wide && "wide"]
    .filter(Boolean)
    .join(" ");
}

function heading(column, sorting) {
  const props = { class: kind(column) || null, scope: "col", title: column.hint };
  if (!sorting || !column.sort) return h("th", { ...props, text: column.title });
  const sorted = sorting.key === column.sort;
  if (sorted) props["aria-sort"] = sorting.descending ? "descending" : "ascending";
  const change = () => sorting.change(column.sort);
  return h(
    "th",
    props,
    h("button", { type: "button", "data-key": `sort-${column.sort}`, text: column.title, on: { click: change } }),
  );
}

function cell(column, row) {
  const props = { class: kind(column) || null, "data-label": column.title };
  const value = column.cell(row);
  return h("td", props, typeof value === "string" ? h("span", { text: value }) : value);
}
