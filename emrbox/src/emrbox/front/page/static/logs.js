// The logs of the cluster that is shown: what there is, and the one that is open.
"use strict";

let file = null; // the log that is open: {kind, instance, path, key}
let listed = { of: "", at: 0 };

async function listLogs(cluster) {
  if (!cluster || cluster.Hollow) listed = { of: "", at: 0 };
  else if (listed.of !== cluster.Id || Date.now() - listed.at > 5000) {
    const found = await ask(`page/logs?cluster=${encodeURIComponent(cluster.Id)}`);
    listed = { of: cluster.Id, at: Date.now(), found };
  }
}

async function showLogs(cluster) {
  if (!listed.found) {
    show("logs", Boolean(cluster), () => (cluster ? [h("h3", {}, "Logs"), h("p", { class: "empty" }, "A hollow cluster writes none.")] : []));
    return;
  }
  const open = file ? await ask(addressOf(cluster.Id, file)) : null;
  if (chosen && cluster.Id !== chosen) return; // another one was chosen meanwhile
  show("logs", [listed.found, file, open], () => [h("h3", {}, "Logs"), ...logTree(listed.found), ...(open ? logText(open) : [])]);
  if (file && file.fresh) {
    file.fresh = false;
    const text = place("logs").querySelector("pre");
    if (text) {
      text.scrollTop = text.scrollHeight;
      text.scrollIntoView({ block: "nearest" });
    }
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
          logButton(one, one.name),
          h("span", { class: "quiet mono" }, size(one.size))))),
    );
    element.open = opened.has(key);
    return element;
  });
}
const opened = new Set();

function logButton(one, name) {
  return h("button", { type: "button", class: "plain mono", "aria-current": String(isOpen(one)), onclick: () => openLog(one) }, name);
}

function isOpen(one) {
  return Boolean(file) && file.key === one.key && file.instance === one.instance && file.path === one.path;
}

function openLog(one) {
  if (!chosen) choose(listed.of); // the first may soon be another
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
