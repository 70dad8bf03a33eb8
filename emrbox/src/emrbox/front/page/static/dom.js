// What the page's views are made of. All values become text nodes, never markup.
"use strict";

const place = (id) => document.getElementById(id);
const shown = new Map(); // element -> what it shows, as JSON

const STATES = {
  good: ["WAITING", "COMPLETED"],
  busy: ["STARTING", "BOOTSTRAPPING", "RUNNING", "PROVISIONING", "RESIZING", "RECONFIGURING", "INFO"],
  warn: ["TERMINATING", "CANCEL_PENDING", "SUSPENDED", "SHUTTING_DOWN", "WARN", "AWAITING_FULFILLMENT"],
  bad: ["TERMINATED_WITH_ERRORS", "FAILED", "INTERRUPTED", "ARRESTED", "ERROR", "CRITICAL"],
};

/** Make an element. Children are elements, texts and numbers; null is nothing. */
function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(key, String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Show `content()` in the element with this id, unless it shows the same `data` already. */
function show(id, data, content) {
  const text = JSON.stringify(data) ?? "";
  const element = place(id);
  if (shown.get(id) === text) return;
  shown.set(id, text);
  const scrolled = [...element.querySelectorAll("[data-keep]")].map((one) => [
    one.dataset.keep,
    // A log that is shown at its end stays there.
    one.scrollTop + one.clientHeight >= one.scrollHeight - 4 && one.tagName === "PRE" ? Infinity : one.scrollTop,
  ]);
  element.replaceChildren(...[content()].flat(Infinity));
  for (const [name, top] of scrolled) {
    const again = element.querySelector(`[data-keep="${CSS.escape(name)}"]`);
    if (again) again.scrollTop = Math.min(top, again.scrollHeight);
  }
}

function kindOf(state) {
  return Object.keys(STATES).find((one) => STATES[one].includes(state)) || "idle";
}

function badge(state) {
  return h("span", { class: `state ${kindOf(state)}` }, state);
}

/** A link to a page of a node, by way of this endpoint. */
function link(one) {
  return h("a", { href: `http://${one.host}:${location.port}${one.path}`, target: "_blank", rel: "noreferrer noopener" }, one.name);
}

function table(name, columns, rows) {
  if (!rows.length) return h("p", { class: "empty" }, `No ${name}.`);
  const head = columns.map(([title, , kind]) => h("th", { class: kind, scope: "col" }, title));
  const body = rows.map((row) =>
    h("tr", {}, columns.map(([title, value, kind]) => h("td", { class: kind, "data-name": title }, h("div", {}, value(row))))),
  );
  return h("div", { class: "scroll", "data-keep": name }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}

function clock(time) {
  return time ? new Date(time).toLocaleTimeString([], { hour12: false }) : "";
}

function day(time) {
  return time ? new Date(time).toLocaleString([], { hour12: false, dateStyle: "medium", timeStyle: "medium" }) : "";
}

/** Seconds between two times, in the form that people read. */
function span(from, to) {
  if (!from || !to) return "";
  const seconds = Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} kB` : `${(bytes / 1048576).toFixed(1)} MB`;
}

function counts(document) {
  return Object.entries(document || {}).map(([name, count]) => `${count} ${name.toLowerCase()}`).join(", ");
}
