"""The JavaScript that runs beside a page: in a world of its own, where the page's scripts see none of it.

Such a world shares the DOM with the page but has globals and prototypes of its own
(https://chromedevtools.github.io/devtools-protocol/tot/Page/#method-createIsolatedWorld): nothing that a page has
overridden is called, and nothing is left in it. The one exception is ANNOUNCE.
"""

from __future__ import annotations

LISTEN = """
(type) => {
  const search = { node: null, stop: new AbortController() };
  const listen = (view) => {
    try {
      view.addEventListener(type, (event) => { search.node = event.submitter; },
                            { capture: true, signal: search.stop.signal });
    } catch { /* A frame of another process has a session of its own. */ }
    for (let index = 0; index < view.length; index++) listen(view[index]);
  };
  listen(window);
  return search;
}
"""
"""Called with a name that nobody can guess; returns an object that learns the node which is announced by it."""

ANNOUNCE = """
(node, type) => {
  const view = node.ownerDocument?.defaultView;
  if (!view || !(node instanceof view.HTMLElement)) return false;
  view.dispatchEvent(new view.SubmitEvent(type, { submitter: node }));
  return true;
}
"""
"""The only thing that runs in the page's own world: an event of a name for which the page has no listener.

Of all events this one carries an element as it is into every world; others replace what is in a shadow tree by its
host. It touches neither the DOM nor the page's objects, so there is nothing to observe and nothing to remove.
"""

FOUND = "function () { this.stop.abort(); return this.node; }"

INSPECT = """
function () {
  const facts = { tag: this.localName ?? this.nodeName, attributes: [], file: false };
  for (const name of ['type', 'id', 'name'])
    if (this.getAttribute?.(name)) facts.attributes.push([name, this.getAttribute(name)]);
  if (facts.tag !== 'input' || this.type !== 'file') return facts;
  return { ...facts, file: true, disabled: this.matches(':disabled'), connected: this.isConnected,
           multiple: this.multiple, directory: this.webkitdirectory, accept: this.accept };
}
"""

PROBE = "() => Object.assign(document.createElement('input'), { type: 'file', multiple: true })"
"""An input that is never part of the page: what the browser makes of the paths can be seen there first."""

READ = """
async function (digests, limit) {
  const hexadecimal = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0'));
  const read = async (file, digest) => {
    const seen = { name: file.name, size: file.size, type: file.type, modified: file.lastModified,
                   problem: null, sha256: null };
    try {
      // A file that is not there has the size 0 and can be sliced; only reading all of it fails.
      await (file.size ? file.slice(-1) : file).arrayBuffer();
      if (digest && file.size <= limit && globalThis.crypto?.subtle)
        seen.sha256 = hexadecimal(await crypto.subtle.digest('SHA-256', await file.arrayBuffer())).join('');
    } catch (error) {
      seen.problem = error.name;
    }
    return seen;
  };
  const all = [];
  for (const [index, file] of Array.from(this.files).entries()) all.push(await read(file, digests[index]));
  return all;
}
"""
"""What the files of an input are; `digests` tells which of them to hash, unless larger than `limit` bytes."""

GUARD = """
function (expected) {
  const stop = new AbortController();
  const now = () => Array.from(this.files, ({ name, size, lastModified }) => ({ name, size, lastModified }));
  const right = (files) => files.length === expected.length && files.every((file, index) =>
    file.name === expected[index].name && file.size === expected[index].size &&
    file.lastModified === expected[index].modified);
  const guard = { seen: null, judge: () => {
    stop.abort();
    const found = guard.seen ?? now();
    if (right(found)) return { right: true, found };
    this.value = '';
    return { right: false, found };
  } };
  const ours = (files) => files.length > 0 &&
    files.every((file) => expected.some(({ name }) => name === file.name));
  const check = (event) => {
    if (!event.isTrusted || (event.currentTarget !== this && event.composedPath()[0] !== this)) return;
    const found = now();
    // Who asked for these files may have given up before they came; a later choice is none of our business.
    if (!guard.seen && !ours(found)) return;
    guard.seen ??= found;
    if (event.type === 'change') stop.abort();
    if (right(guard.seen)) return;
    event.stopImmediatePropagation();
    this.value = '';
  };
  for (const target of [this.ownerDocument.defaultView, this])
    for (const type of ['input', 'change'])
      target?.addEventListener(type, check, { capture: true, signal: stop.signal });
  setTimeout(() => stop.abort(), 30000);
  // Choosing what is chosen already fires no events. This does not fire any either.
  this.value = '';
  return guard;
}
"""
"""Stands before the page's own listeners: they hear of the `expected` files, or of nothing, and the input is empty."""

VERDICT = "function () { return this.judge(); }"
