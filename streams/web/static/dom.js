// Elements made from data. Text goes in as text nodes only: names come from strangers.

/**
 * An element. `props`: "class", "text", "on" ({event: listener}), "style" ({property: value}), and
 * attributes; those that are null, undefined or false are left out. `children`: nodes or strings.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name === "style") setStyle(element, value);
    else if (name === "on") listen(element, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function setStyle(element, style) {
  for (const [property, value] of Object.entries(style)) element.style.setProperty(property, value);
}

function listen(element, listeners) {
  for (const [event, listener] of Object.entries(listeners)) {
    element.addEventListener(event, listener);
  }
}

/** Replace what is in an element, and keep the keyboard's focus where it was (by `data-key`). */
export function fill(element, ...children) {
  const focused = element.contains(document.activeElement)
    ? document.activeElement.dataset.key
    : undefined;
  element.replaceChildren(...children.flat().filter((child) => child !== null));
  if (focused !== undefined) {
    const again = [...element.querySelectorAll("[data-key]")].find(
      (candidate) => candidate.dataset.key === focused,
    );
    again?.focus({ preventScroll: true });
  }
}

/** A card with a heading; `aside` stands beside the heading. */
export function card(title, body, aside = null) {
  return h(
    "section",
    { class: "card", "aria-label": title },
    h("header", {}, h("h2", { text: title }), aside),
    body,
  );
}

/** A list of figures: [label, value, small print] each. */
export function figures(rows, dense = false) {
  return h(
    "dl",
    { class: dense ? "figures dense" : "figures" },
    rows.map(([label, value, small]) =>
      h("div", {}, h("dt", { text: label }), h("dd", {}, value, small ? h("small", { text: small }) : null)),
    ),
  );
}

/** A dot with a word. `kind`: good, warn, bad or idle. */
export function state(kind, text) {
  return h("span", { class: `state is-${kind}` }, h("span", { text }));
}

/** What stands where there is nothing yet: what that means, and what to do. */
export function empty(title, ...hints) {
  return h(
    "div",
    { class: "empty" },
    h("p", {}, h("strong", { text: title })),
    hints.map((hint) => (typeof hint === "string" ? h("p", { text: hint }) : hint)),
  );
}
