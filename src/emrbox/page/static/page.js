// The status page: asks once a second what is so, and shows what has changed. All values become text nodes, never markup.
"use strict";

const EVERY_MS = 1000;
const place = (id) => document.getElementById(id);
const shown = new Map(); // element -> what it shows, as JSON
let chosen = decodeURIComponent(location.hash.slice(1));
let tab = "events";
let file = null; // the log that is open: {kind, instance, path, key}
let listed = { of: "", at: 0 };

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
    // Whoever looks at a log's end wants to go on seeing it.
    one.scrollTop + one.clientHeight >= one.scrollHeight - 4 && one.tagName === "PRE" ? Infinity : one.scrollTop,
  ]);
  element.replaceChildren(...[content()].flat(Infinity));
  for (const [name, top] of scrolled) {
    const again = element.querySelector(`[data-keep="${CSS.escape(name)}"]`);
    if (again) again.scrollTop = Math.min(top, again.scrollHeight);
  }
}

function badge(state) {
  const kind = Object.keys(STATES).find((one) => STATES[one].includes(state)) || "idle";
  return h("span", { class: `state ${kind}` }, state);
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

/** Seconds between two times, as people say it. */
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

function showTotals(state) {
  const failed = state.calls.filter((call) => call.status >= 400).length;
  const tiles = [
    ["live clusters", state.totals.live],
    ["ended clusters", state.totals.ended],
    ["nodes", state.totals.nodes],
    ["active steps", state.totals.steps],
    [`refused of the last ${state.calls.length} calls`, failed],
    ["faults on", (state.faults || []).length],
  ];
  show("totals", tiles, () => tiles.map(([name, value]) => h("div", {}, h("b", {}, value), h("span", { class: "quiet" }, name))));
  const box = `${state.box.endpoint} · nodes in ${state.box.network} · ${state.box.home}`;
  const moved = state.clock && state.clusters.some((one) => one.Hollow);
  const hollow = moved ? ` · hollow clusters' time ${day(state.clock.now)}${state.clock.frozen ? ", standing still" : ""}` : "";
  show("box", box + hollow, () => box + hollow);
}

function showClusters(state) {
  const data = [state.clusters, chosen];
  show("clusters", data, () => {
    if (!state.clusters.length) return h("p", { class: "empty" }, "None yet: RunJobFlow makes one.");
    const items = state.clusters.map((cluster) =>
      h("button", { type: "button", "aria-current": String(cluster.Id === chosen), onclick: () => choose(cluster.Id) },
        h("span", { class: "name" }, cluster.Name),
        badge(cluster.Status.State),
        h("span", { class: "quiet" }, h("span", { class: "mono" }, cluster.Id), cluster.Hollow ? " · hollow" : "", cluster.Account === state.box.account ? "" : ` · account ${cluster.Account}`),
        h("span", { class: "quiet" }, clock(cluster.Status.Timeline.CreationDateTime)),
        h("span", { class: "quiet" }, [cluster.Status.Timeline.EndDateTime ? "" : counts(cluster.Instances), counts(cluster.Steps)].filter(Boolean).join(" · ")),
      ),
    );
    return h("div", { class: "list", "data-keep": "clusters" }, items);
  });
}

function showDetails(state) {
  const cluster = state.cluster;
  if (!cluster) {
    show("details", null, () => h("p", { class: "empty" }, "Choose a cluster to see its nodes, steps and logs."));
    return;
  }
  // The time of day changes all the time: only what is under way depends on it.
  const { Now: now, ...fixed } = cluster;
  const under = cluster.Steps.some((step) => step.Status.State === "RUNNING") || !cluster.Status.Timeline.EndDateTime;
  show("details", [fixed, under ? now.slice(0, 19) : ""], () => [
    h("div", { class: "heading" }, h("h2", {}, cluster.Name), badge(cluster.Status.State),
      cluster.Hollow ? h("span", { class: "quiet" }, "hollow: no nodes, scripted steps") : null),
    facts(cluster),
    h("h3", {}, "Steps"),
    steps(cluster),
    h("h3", {}, "Nodes"),
    nodes(cluster, state.box),
  ]);
}

function facts(cluster) {
  const line = cluster.Status.Timeline;
  const reason = cluster.Status.StateChangeReason;
  const rows = [
    ["id", h("span", { class: "mono" }, cluster.Id)],
    ["reason", [reason.Code, reason.Message].filter(Boolean).join(": ")],
    ["created", day(line.CreationDateTime)],
    ["ready after", span(line.CreationDateTime, line.ReadyDateTime)],
    ["ended", line.EndDateTime ? `${day(line.EndDateTime)}, after ${span(line.CreationDateTime, line.EndDateTime)}` : ""],
    ["release", `${cluster.ReleaseLabel} · ${cluster.Applications.map((one) => `${one.Name} ${one.Version}`).join(", ")}`],
    ["logs", cluster.LogUri],
    ["settings", [
      cluster.AutoTerminate ? "ends after its last step" : "stays after its last step",
      cluster.TerminationProtected ? "protected" : "",
      `${cluster.StepConcurrencyLevel} step${cluster.StepConcurrencyLevel > 1 ? "s" : ""} at once`,
    ].filter(Boolean).join(" · ")],
    ["tags", cluster.Tags.length ? cluster.Tags.map((tag) => h("span", { class: "tag" }, `${tag.Key}=${tag.Value}`)) : ""],
  ];
  for (const error of cluster.Status.ErrorDetails || []) {
    rows.push(["error", `${error.ErrorCode}: ${error.ErrorMessage} ${(error.ErrorData || []).map((one) => JSON.stringify(one)).join(" ")}`]);
  }
  return h("dl", { class: "facts" }, rows.filter(([, value]) => value && value.length !== 0).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function steps(cluster) {
  return table("steps", [
    ["Step", (step) => [h("span", {}, step.Name), h("br"), h("span", { class: "mono quiet id" }, step.Id)]],
    ["State", (step) => badge(step.Status.State), "tight"],
    ["Started", (step) => clock(step.Status.Timeline.StartDateTime), "tight"],
    ["Took", (step) => span(step.Status.Timeline.StartDateTime, step.Status.Timeline.EndDateTime || cluster.Now), "tight"],
    ["What", (step) => what(step)],
  ], cluster.Steps);
}

function what(step) {
  const failure = step.Status.FailureDetails;
  return [
    h("span", { class: "mono" }, [step.Config.Jar, ...step.Config.Args].join(" ").slice(0, 300)),
    failure ? h("div", { class: "bad" }, [failure.Reason, failure.Message].filter(Boolean).join(" ")) : null,
    step.Links.length ? h("div", { class: "links" }, step.Links.map(link)) : null,
  ];
}

function nodes(cluster, box) {
  const rows = cluster.Groups.flatMap((group) => group.Instances.map((node) => ({ group, node })));
  const live = rows.filter((row) => row.node.Status.State !== "TERMINATED");
  const listedRows = cluster.Status.Timeline.EndDateTime ? rows : live;
  const pages = (row) => (box.joined_to_host ? row.node.Links.map(link) : row.node.Links.map((one) => h("span", { class: "quiet" }, `${one.name} `)));
  const content = [table("nodes", [
    ["Node", (row) => [h("span", { class: "mono id" }, row.node.Ec2InstanceId), h("br"), h("span", { class: "mono quiet" }, row.node.PrivateIpAddress || "")]],
    ["Group", (row) => `${row.group.InstanceGroupType} · ${row.group.Market}`, "tight"],
    ["Type", (row) => row.node.InstanceType, "tight"],
    ["State", (row) => badge(row.node.Status.State), "tight"],
    ["Pages", (row) => h("span", { class: "links" }, pages(row))],
  ], listedRows)];
  if (!box.joined_to_host) {
    content.push(h("p", { class: "quiet" }, "This box was started without root: a browser on this machine does not reach its nodes' pages."));
  }
  return content;
}

async function showLogs(state) {
  const cluster = state.cluster;
  if (!cluster || cluster.Hollow) {
    show("logs", null, () => (cluster ? [h("h3", {}, "Logs"), h("p", { class: "empty" }, "A hollow cluster writes none.")] : []));
    return;
  }
  if (listed.of !== cluster.Id || Date.now() - listed.at > 5000) {
    const found = await ask(`page/logs?cluster=${encodeURIComponent(cluster.Id)}`);
    listed = { of: cluster.Id, at: Date.now(), found };
  }
  const open = file ? await ask(addressOf(cluster.Id, file)) : null;
  if (cluster.Id !== chosen) return; // another one was chosen meanwhile
  show("logs", [listed.found, file, open], () => [h("h3", {}, "Logs"), ...logTree(listed.found), ...(open ? logText(open) : [])]);
  if (file && file.fresh) {
    file.fresh = false;
    const text = place("logs").querySelector("pre");
    if (text) text.scrollTop = text.scrollHeight;
  }
}

function addressOf(cluster, one) {
  const query = new URLSearchParams({ cluster });
  if (one.key) query.set("key", one.key);
  else {
    query.set("instance", one.instance);
    query.set("path", one.path);
  }
  return `page/${one.key ? "stored-log" : "node-log"}?${query}`;
}

function logTree(found) {
  const groups = found.nodes.map((node) => [`${node.role} ${node.instance}, live`, node.files.map((one) => ({ name: one.path, size: one.size, instance: node.instance, path: one.path }))]);
  if (found.stored.length) groups.push(["S3, below the log URI", found.stored.map((one) => ({ name: one.key, size: one.size, key: one.key }))]);
  if (!groups.length) return [h("p", { class: "empty" }, "None yet.")];
  return groups.map(([name, files]) => {
    const key = `files ${name}`;
    const element = h("details", { ontoggle: (event) => (event.target.open ? opened.add(key) : opened.delete(key)) },
      h("summary", {}, `${name} (${files.length})`),
      h("div", { class: "files", "data-keep": key }, files.map((one) =>
        h("div", {},
          h("button", { type: "button", class: "plain mono", "aria-current": String(isOpen(one)), onclick: () => openLog(one) }, one.name),
          h("span", { class: "quiet mono" }, size(one.size))))),
    );
    element.open = opened.has(key);
    return element;
  });
}
const opened = new Set();

function isOpen(one) {
  return Boolean(file) && file.key === one.key && file.instance === one.instance && file.path === one.path;
}

function openLog(one) {
  file = isOpen(one) ? null : { key: one.key, instance: one.instance, path: one.path, fresh: true };
  tick();
}

function logText(open) {
  const name = file.key || `${file.instance} ${file.path}`;
  const cut = { start: "its beginning is left out", end: "its end is left out" }[open.cut];
  return [
    h("p", { class: "mono quiet" }, name, cut ? ` (${cut})` : ""),
    h("pre", { "data-keep": `text ${name}`, tabindex: "0" }, open.error ? open.error : open.text || "(empty)"),
  ];
}

function showHappened(state) {
  for (const button of place("tabs").children) {
    button.setAttribute("aria-selected", String(button.dataset.tab === tab));
  }
  const data = state[tab] || [];
  const views = { events: eventTable, calls: callTable, faults: faultTable };
  show("happened", [tab, data], () => views[tab](data));
}

function eventTable(events) {
  return table("events", [
    ["Time", (event) => clock(event.time), "tight"],
    ["Kind", (event) => event.kind, "tight"],
    ["Severity", (event) => badge(event.severity || "INFO"), "tight"],
    ["Message", (event) => event.message],
    ["Delivered", (event) => (event.deliveries || []).join(", ")],
  ], events);
}

function callTable(calls) {
  return table("calls", [
    ["Time", (call) => clock(call.time), "tight"],
    ["Who", (call) => [h("span", {}, call.principal || "unsigned"), call.client ? h("div", { class: "quiet", title: call.client }, call.client.split(" ")[0]) : null]],
    ["Service", (call) => call.service, "tight"],
    ["Operation", (call) => call.operation],
    ["Status", (call) => h("span", { class: call.status >= 400 ? "bad" : "" }, call.status), "tight number"],
    ["Error", (call) => [call.error, call.fault ? `fault: ${call.fault}` : ""].filter(Boolean).join(" · ")],
    ["ms", (call) => call.milliseconds, "tight number"],
  ], calls);
}

function faultTable(faults) {
  if (!faults.length) return h("p", { class: "empty" }, "None is on. ", h("span", { class: "mono" }, "emrbox fault --help"));
  return table("faults", [
    ["Fault", (one) => [h("span", {}, one.kind), h("br"), h("span", { class: "mono quiet id" }, one.id)]],
    ["Scope", (one) => ["service", "operation", "cluster", "principal"].filter((name) => one[name] && one[name] !== "*").map((name) => h("span", { class: "tag" }, `${name}=${one[name]}`))],
    ["Parameters", (one) => Object.entries(one.parameters || {}).map(([name, value]) => h("span", { class: "tag" }, `${name}=${value}`))],
    ["Chance", (one) => (one.probability < 1 ? `${one.probability}, seed ${one.seed}` : "always"), "tight"],
    ["Acted", (one) => one.fired, "tight number"],
    ["Still", (one) => (one.count === null ? "without end" : one.count), "tight number"],
  ], faults);
}

function choose(id) {
  chosen = chosen === id ? "" : id;
  file = null;
  opened.clear();
  history.replaceState(null, "", chosen ? `#${encodeURIComponent(chosen)}` : " ");
  tick();
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store" });
  const document = await answer.json();
  if (!answer.ok && !document.error) throw new Error(`${path}: ${answer.status}`);
  return document;
}

/** A part of the box that this page can do without. */
async function askIfThere(path) {
  try {
    return await ask(path);
  } catch {
    return null;
  }
}

let running = false;
let again = false;
async function tick() {
  if (running) {
    again = true;
    return;
  }
  running = true;
  try {
    const [state, faults, time] = await Promise.all([
      ask(`page/state?cluster=${encodeURIComponent(chosen)}`), askIfThere("faults"), askIfThere("clock"),
    ]);
    if (state.error) throw new Error(state.error);
    state.clock = time;
    state.faults = (faults && faults.faults) || [];
    showTotals(state);
    showClusters(state);
    showDetails(state);
    showHappened(state);
    await showLogs(state);
    pulse("live", `live, ${clock(state.time)}`);
  } catch (problem) {
    pulse("lost", `the box does not answer (${problem.message})`);
  }
  running = false;
  if (again) {
    again = false;
    tick();
  }
}

function pulse(kind, text) {
  const element = place("pulse");
  element.className = `pulse ${kind}`;
  element.textContent = text;
}

for (const button of place("tabs").children) {
  button.addEventListener("click", () => {
    tab = button.dataset.tab;
    tick();
  });
}
setInterval(() => {
  if (!document.hidden) tick();
}, EVERY_MS);
document.addEventListener("visibilitychange", () => tick());
tick();
