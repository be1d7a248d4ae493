/**
 * What runs beside a page: in a world of its own, where the page's scripts see none of it.
 *
 * Such a world shares the DOM with the page but has globals and prototypes of its own
 * (https://chromedevtools.github.io/devtools-protocol/tot/Page/#method-createIsolatedWorld): nothing that a page has
 * overridden is called, and nothing is left in it. The one exception is `announce`.
 *
 * Each function is sent to the browser by itself, so none may use another, or anything else from around it.
 */

/** Returns how many frames can be got at from one window to the next: none in a shadow tree, nor any below it. */
export function reach() {
  const count = (view) => {
    try {
      return Array.from(view, count).reduce((sum, below) => sum + below, view.document ? 1 : 0);
    } catch {
      // The session does not count a frame of another process, nor what is in it, either.
      return 0;
    }
  };
  return count(window);
}

/**
 * Called with a name that nobody can guess; returns an object that learns the node which is announced by it.
 *
 * Hears of it in every window that can be reached from here, and in those of `documents`.
 */
export function listen(type, ...documents) {
  const search = { node: null, stop: new AbortController() };
  const learn = ({ submitter }) => Object.assign(search, { node: submitter });
  const hear = (view) => {
    try {
      view.addEventListener(type, learn, { capture: true, signal: search.stop.signal });
    } catch {
      // A frame of another process has a session of its own.
    }
    for (let index = 0; index < view.length; index++) hear(view[index]);
  };
  for (const view of [window, ...documents.flatMap(({ defaultView }) => defaultView ?? [])]) hear(view);
  return search;
}

/**
 * The only thing that runs in the page's own world: an event of a name for which the page has no listener.
 *
 * Of all events this one carries an element as it is into every world; others replace what is in a shadow tree by its
 * host. It touches neither the DOM nor the page's objects, so there is nothing to observe and nothing to remove.
 */
export function announce(node, type) {
  const view = node.ownerDocument?.defaultView;
  if (!view || !(node instanceof view.HTMLElement)) return false;
  view.dispatchEvent(new view.SubmitEvent(type, { submitter: node }));
  return true;
}

/** Called on what `listen` returned; returns the node that was announced, or null. */
export function announced() {
  this.stop.abort();
  return this.node;
}

/** Called on an element; returns the file input that a click on it would open, as on its label, or null. */
export function control() {
  const label = this.closest?.('label');
  return this.localName !== 'input' && label?.control?.type === 'file' ? label.control : null;
}

/** Called on an element; returns what it says of itself, with its tag as a person would look for it. */
export function inspect() {
  const named = ['type', 'id', 'name'].filter((name) => this.getAttribute?.(name));
  if (this.localName !== 'input' && named.length === 0 && this.classList?.length) named.push('class');
  const attributes = named.map((name) => ` ${name}="${this.getAttribute(name)}"`);
  const tag = `<${this.localName ?? this.nodeName}${attributes.join('')}`;
  const { isConnected: connected } = this;
  const facts = { markup: tag.length < 120 ? `${tag}>` : `${tag.slice(0, 120)}…>`, connected, file: false };
  if (this.localName !== 'input' || this.type !== 'file') return facts;
  const { multiple, webkitdirectory: directory, accept } = this;
  return { ...facts, file: true, disabled: this.matches(':disabled'), multiple, directory, accept };
}

/** An input that is never part of the page: what the browser makes of the paths can be seen there first. */
export function probe() {
  return Object.assign(document.createElement('input'), { type: 'file', multiple: true });
}

/** Called on an input; returns what its files are. `digests` tells which to hash, unless larger than `limit` bytes. */
export async function read(digests, limit) {
  const all = [];
  for (const [index, file] of Array.from(this.files).entries()) {
    const { name, size, type, lastModified: modified } = file;
    const seen = { name, size, type, modified, problem: null, sha256: null };
    try {
      // A file that is not there has the size 0 and can be sliced; only reading all of it fails.
      await (size ? file.slice(-1) : file).arrayBuffer();
      if (digests[index] && size <= limit && globalThis.crypto?.subtle) {
        const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
        seen.sha256 = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
      }
    } catch (error) {
      seen.problem = error.name;
    }
    all.push(seen);
  }
  return all;
}

/**
 * Called on the page's input before it gets the files; returns what can judge afterwards whether it got them.
 *
 * Stands before the page's own listeners: they hear of the `expected` files, or of nothing, and the input is empty.
 */
export function guard(expected) {
  const stop = new AbortController();
  const now = () => Array.from(this.files, ({ name, size, lastModified: modified }) => ({ name, size, modified }));
  const same = (one, other) => ['name', 'size', 'modified'].every((fact) => one[fact] === other[fact]);
  const right = (files) => files.length === expected.length && files.every((file, at) => same(file, expected[at]));
  const ours = (files) => files.length > 0 && files.every((file) => expected.some(({ name }) => name === file.name));
  let heard = null;
  const check = (event) => {
    if (!event.isTrusted || (event.currentTarget !== this && event.composedPath()[0] !== this)) return;
    // Who asked for these files may have given up before they came; a later choice is none of our business.
    if (!heard && !ours(now())) return;
    heard ??= now();
    if (event.type === 'change') stop.abort();
    if (right(heard)) return;
    event.stopImmediatePropagation();
    this.value = '';
  };
  for (const target of [this.ownerDocument.defaultView, this])
    for (const type of ['input', 'change'])
      target?.addEventListener(type, check, { capture: true, signal: stop.signal });
  setTimeout(() => stop.abort(), 30000);
  // Choosing what is chosen already fires no events. This does not fire any either.
  this.value = '';
  const judge = () => {
    stop.abort();
    const found = heard ?? now();
    if (!right(found)) this.value = '';
    return { right: right(found), found };
  };
  return { judge };
}

/** Called on what `guard` or `watch` returned; returns its judgement. */
export function verdict() {
  return this.judge();
}

/**
 * Called on an element before files are dragged to it; returns what tells where the drag is, and what was dropped.
 *
 * Stands before the page's own listeners in every frame that it can reach, and in those of `documents`: nothing but the
 * element, and what is in it or around it, hears of the drag, and of the drop only if these are the `expected` files.
 * A drop of files that all have other names is not this one, and goes its way.
 * What it keeps from the page it accepts in its place, because the browser opens files that nobody accepts.
 */
export function watch(expected, ...documents) {
  const stop = new AbortController();
  const same = (one, other) => ['name', 'size', 'modified'].every((fact) => one[fact] === other[fact]);
  const right = (files) => files.length === expected.length && files.every((file, at) => same(file, expected[at]));
  const mayBeOurs = (files) => !files.length || files.some((file) => expected.some(({ name }) => name === file.name));
  const accepted = (event) => event.defaultPrevented && event.dataTransfer.dropEffect !== 'none';
  let last = null;
  let met = null;
  let dropping = false;
  let refused = false;
  let dropped = null;
  const keep = (event) => {
    event.stopImmediatePropagation();
    event.preventDefault();
  };
  const hear = (node) => (event) => {
    if (!event.isTrusted || !event.dataTransfer?.types.includes('Files')) return;
    const [leaves, drops] = [event.type === 'dragleave', event.type === 'drop'];
    const facts = ({ name, size, lastModified }) => ({ name, size, modified: lastModified });
    const files = Array.from(event.dataTransfer.files, facts);
    // Another's may have a guard of its own, which would tell as done what we keep from the page.
    if (drops && !mayBeOurs(files)) return;
    const path = event.composedPath();
    if (!leaves) [met] = path;
    if (!path.includes(node)) {
      if (!leaves) [last, dropped] = [null, null];
      keep(event);
      return;
    }
    if (leaves) return;
    last = event;
    if (!drops) return;
    dropped = files;
    if (refused || !right(dropped)) keep(event);
  };
  // A page may change its mind between what it said and the drop.
  const conclude = (event) => {
    if (!dropping || event !== last || accepted(event)) return;
    refused = true;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
  };
  const stand = (target, listener) => {
    const heard = { capture: true, signal: stop.signal };
    for (const type of ['dragenter', 'dragover', 'dragleave', 'drop']) target.addEventListener(type, listener, heard);
    for (const type of ['dragenter', 'dragover']) target.addEventListener(type, conclude, { signal: stop.signal });
  };
  // Who stands outside of a closed shadow tree sees its host only; so one of us stands inside.
  let visible = this;
  for (let root = this.getRootNode(); root.host; root = root.host.getRootNode()) {
    if (root.mode !== 'closed') continue;
    stand(root, hear(visible));
    visible = root.host;
  }
  // The same for all: a window that is reached in two ways has it once.
  const listener = hear(visible);
  const standIn = (view) => {
    try {
      stand(view, listener);
    } catch {
      // A frame of another process has a session of its own.
    }
    for (let index = 0; index < view.length; index++) standIn(view[index]);
  };
  for (const view of [window, ...documents.flatMap(({ defaultView }) => defaultView ?? [])]) standIn(view);
  // Who drags may have given up; a later drag is none of our business.
  const live = () => setTimeout(() => stop.abort(), 10000);
  let life = live();
  const where = () => {
    clearTimeout(life);
    life = live();
    const there = last !== null && this.isConnected;
    dropping = there && accepted(last);
    return { there, accepted: dropping };
  };
  const judge = () => {
    stop.abort();
    const came = dropped !== null && !refused;
    return { came, right: came && right(dropped), refused, found: dropped ?? [] };
  };
  return { where, judge, met: () => met };
}

/** Called on what `watch` returned; tells whether the drag is over the element, and whether the page takes it. */
export function where() {
  return this.where();
}

/** Called on what `watch` returned; returns the innermost element that the drag is over, or null. */
export function met() {
  return this.met();
}

/** Called on an element; returns its width and height in its own pixels, whatever it is scaled to. */
export function extent() {
  const box = this.getBoundingClientRect();
  return [this.offsetWidth ?? box.width, this.offsetHeight ?? box.height];
}

/** Lets a page that moves, or makes up its mind, go on for a moment. */
export function wait(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, true));
}
