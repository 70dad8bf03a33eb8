// The status page: requests the box's state once a second, and shows what has changed.
"use strict";

const EVERY_MS = 1000;
let chosen = decodeURIComponent(location.hash.slice(1)); // a cluster's id; without one the first is shown
let wanted = ""; // a part of the names, ids or states of the clusters to list
let tab = "events";

function showTotals(state) {
  const tiles = [
    ["live clusters", state.totals.live],
    ["nodes", state.totals.nodes],
    ["active steps", state.totals.steps],
    ["ended clusters", state.totals.ended],
    ["clusters with failures", state.totals.failed, "bad", () => find("failed")],
    ["active faults", state.faults.length, "warn"],
  ];
  show("totals", tiles, () => tiles.map(([name, value, kind, act]) =>
    h(act && value ? "button" : "div", { onclick: act && value ? act : () => {} }, h("b", { class: value ? kind : null }, value), h("span", { class: "quiet" }, name))));
  const box = `${state.box.endpoint} · nodes in ${state.box.network} · ${state.box.home}`;
  const moved = state.clock && state.clusters.some((one) => one.Hollow);
  const hollow = moved ? ` · hollow clusters' time ${day(state.clock.now)}${state.clock.frozen ? ", frozen" : ""}` : "";
  show("box", box + hollow, () => box + hollow);
}

function showClusters(state) {
  const current = state.cluster ? state.cluster.Id : "";
  const total = state.totals.live + state.totals.ended;
  place("find").hidden = total < 2;
  show("clusters", [state.clusters, current, state.matching, total], () => {
    if (!total) return firstSteps(state.box);
    if (!state.matching) return h("p", { class: "empty" }, "No cluster has this in its name, id, state or failure.");
    const items = state.clusters.map((cluster) =>
      h("button", { type: "button", "aria-current": String(cluster.Id === current), onclick: () => choose(cluster.Id) },
        h("span", { class: "name" }, cluster.Name),
        badge(cluster.Status.State),
        h("span", { class: "quiet" }, h("span", { class: "mono" }, cluster.Id), cluster.Hollow ? " · hollow" : "", cluster.Account === state.box.account ? "" : ` · account ${cluster.Account}`),
        h("span", { class: "quiet" }, clock(cluster.Status.Timeline.CreationDateTime)),
        h("span", { class: "quiet across" }, [cluster.Status.Timeline.EndDateTime ? "" : counts(cluster.Instances), counts(cluster.Steps)].filter(Boolean).join(" · ")),
        cluster.Failure ? h("span", { class: "bad across why" }, cluster.Failure) : null,
      ),
    );
    const left = state.matching - items.length;
    return [
      h("div", { class: "list", "data-keep": "clusters" }, items),
      left > 0 ? h("p", { class: "quiet" }, `and ${left} more: use the search`) : null,
    ].filter(Boolean);
  });
}

function find(text) {
  wanted = place("find").value = text;
  tick();
}

/** What to type when there is nothing to see yet. */
function firstSteps(box) {
  return [
    h("p", { class: "empty" }, "None yet. In a shell:"),
    h("pre", {}, `eval "$(EMRBOX_HOME=${box.home} emrbox env)"\naws emr list-clusters\naws emr create-cluster …`),
  ];
}

function showDetails(state) {
  const cluster = state.cluster;
  if (!cluster) {
    show("details", null, () => h("p", { class: "empty" }, "A cluster's nodes, steps and logs are shown here."));
    return;
  }
  // The time of day changes all the time: only what is under way depends on it.
  const { Now: now, ...fixed } = cluster;
  const under = cluster.Steps.some((step) => step.Status.State === "RUNNING") || !cluster.Status.Timeline.EndDateTime;
  const line = state.clusters.find((one) => one.Id === cluster.Id);
  const why = line ? line.Failure : null;
  show("details", [fixed, why, under ? now.slice(0, 19) : "", listed.found, file], () => [
    h("div", { class: "heading" }, h("h2", {}, cluster.Name), badge(cluster.Status.State),
      cluster.Hollow ? h("span", { class: "quiet" }, "hollow: no nodes, scripted steps") : null),
    why ? h("p", { class: "alarm bad" }, why) : null,
    facts(cluster),
    h("h3", {}, "Steps"),
    steps(cluster),
    h("h3", {}, "Nodes"),
    nodes(cluster),
  ].filter(Boolean));
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
    ["Took", (step) => [span(step.Status.Timeline.StartDateTime, step.Status.Timeline.EndDateTime || cluster.Now), lifeline(cluster, step)], "tight"],
    ["What", (step) => what(step)],
  ], cluster.Steps);
}

/** When in its cluster's life a step ran: the shade is the time until the cluster was ready. */
function lifeline(cluster, step) {
  const start = Date.parse(cluster.Status.Timeline.CreationDateTime);
  const end = Date.parse(cluster.Status.Timeline.EndDateTime || cluster.Now);
  const part = (time) => (100 * Math.max(0, Date.parse(time) - start)) / Math.max(1, end - start);
  const bar = (kind, from, to) => {
    const element = h("i", { class: kind });
    element.style.left = `${from}%`;
    element.style.width = `${Math.max(1, to - from)}%`;
    return element;
  };
  const { ReadyDateTime: ready } = cluster.Status.Timeline;
  const { StartDateTime: from, EndDateTime: to } = step.Status.Timeline;
  return h("div", { class: "lifeline", "aria-hidden": "true" },
    ready ? bar("shade", 0, part(ready)) : null,
    from ? bar(kindOf(step.Status.State), part(from), part(to || cluster.Now)) : null);
}

function what(step) {
  const failure = step.Status.FailureDetails;
  const logs = logsOf(step.Id);
  return [
    h("span", { class: "mono" }, [step.Config.Jar, ...step.Config.Args].join(" ").slice(0, 300)),
    failure ? h("div", { class: "bad" }, [failure.Reason, failure.Message].filter(Boolean).join(" ")) : null,
    logs.length || step.Links.length ? h("div", { class: "links" }, step.Links.map(link), logs.map((one) => logButton(one, one.short))) : null,
  ];
}

/** A step's logs: on the primary node while there is one, else in S3. */
function logsOf(step) {
  if (!listed.found) return [];
  const live = listed.found.nodes.flatMap((node) => node.files.map((one) => ({ name: one.path, instance: node.instance, path: one.path })));
  const stored = listed.found.stored.map((one) => ({ name: one.key, key: one.key }));
  return ["stderr", "stdout", "controller", "syslog"].flatMap((short) => {
    const found = live.find((one) => one.path === `hadoop/steps/${step}/${short}`) || stored.find((one) => one.key.endsWith(`/steps/${step}/${short}.gz`));
    return found ? [{ ...found, short }] : [];
  });
}

function nodes(cluster) {
  const rows = cluster.Groups.flatMap((group) => group.Instances.map((node) => ({ group, node })));
  const live = rows.filter((row) => row.node.Status.State !== "TERMINATED");
  const listedRows = cluster.Status.Timeline.EndDateTime ? rows : live;
  return table("nodes", [
    ["Node", (row) => [h("span", { class: "mono id" }, row.node.Ec2InstanceId || row.node.Id), h("br"), h("span", { class: "mono quiet" }, row.node.PrivateIpAddress || "")]],
    ["Group", (row) => `${row.group.InstanceGroupType || row.group.InstanceFleetType} · ${row.node.Market}`, "tight"],
    ["Type", (row) => row.node.InstanceType, "tight"],
    ["State", (row) => badge(row.node.Status.State), "tight"],
    ["Pages", (row) => (row.node.Links.length ? h("span", { class: "links" }, row.node.Links.map(link)) : null)],
  ], listedRows);
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
  if (!faults.length) return h("p", { class: "empty" }, "No fault is active. ", h("span", { class: "mono" }, "emrbox fault --help"));
  return table("faults", [
    ["Fault", (one) => [h("span", {}, one.kind), h("br"), h("span", { class: "mono quiet id" }, one.id)]],
    ["Scope", (one) => ["service", "operation", "cluster", "principal"].filter((name) => one[name] && one[name] !== "*").map((name) => h("span", { class: "tag" }, `${name}=${one[name]}`))],
    ["Parameters", (one) => Object.entries(one.parameters || {}).map(([name, value]) => h("span", { class: "tag" }, `${name}=${value}`))],
    ["Probability", (one) => (one.probability < 1 ? `${one.probability}, seed ${one.seed}` : "always"), "tight"],
    ["Acted", (one) => one.fired, "tight number"],
    ["Remaining", (one) => (one.count === null ? "unlimited" : one.count), "tight number"],
  ], faults);
}

function choose(id) {
  chosen = id;
  file = null;
  opened.clear();
  history.replaceState(null, "", `#${encodeURIComponent(chosen)}`);
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
      ask(`page/state?${new URLSearchParams({ cluster: chosen, find: wanted })}`), askIfThere("faults"), askIfThere("clock"),
    ]);
    if (state.error) throw new Error(state.error);
    state.clock = time;
    state.faults = (faults && faults.faults) || [];
    showTotals(state);
    showClusters(state);
    showHappened(state);
    await listLogs(state.cluster);
    showDetails(state);
    await showLogs(state.cluster);
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

place("find").addEventListener("input", (event) => find(event.target.value));
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
