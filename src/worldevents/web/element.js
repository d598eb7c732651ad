/** What both elements share: attributes, the feed, the second's tick, one rendering per change, states and words. */

import { feedFor } from './feed.js';
import { Format } from './format.js';

const ticking = new Set();
const sheets = new Map();
let timer;

/** One timer for all elements, on the second, stopped while nobody sees the page. */
function tick() {
  clearTimeout(timer);
  if (!ticking.size || document.hidden) return;
  for (const element of ticking) element.tick();
  timer = setTimeout(tick, 1000 - (Date.now() % 1000));
}

function sheetOf(css) {
  if (!sheets.has(css)) sheets.set(css, new CSSStyleSheet());
  sheets.get(css).replaceSync(css);
  return sheets.get(css);
}

/** A node with attributes and children; strings become text, never markup. */
export function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  node.append(...children);
  return node;
}

export const isLost = (state) => state === 'stale' || state === 'offline';

const css = `
:host { display: block; container-type: inline-size; line-height: 1.45; font-variant-numeric: tabular-nums; color: var(--goal-text, light-dark(#10263a, #e8f1f8)); }
:host([hidden]) { display: none; }
* { box-sizing: border-box; margin: 0; padding: 0; }
h3, caption { font-size: 1.25em; font-weight: 650; line-height: 1.25; text-align: start; }
.muted { color: var(--goal-muted, light-dark(#4a6175, #a3b8c9)); }
.said { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
.skeleton { block-size: 16em; background: #8883; }
button { font: inherit; padding: 0 1em; }`;

export class GoalElement extends (globalThis.HTMLElement ?? Object) {
  static observedAttributes = ['src', 'goal', 'user', 'locale', 'key'];
  static messages = {
    error: 'This goal cannot be shown now.',
    retry: 'Try again',
    units: { workouts: ['workout', 'workouts'], bosses: ['boss', 'bosses'], records: ['record', 'records'] },
  };
  #snapshot;
  #messages;
  #leave;
  #queued = false;

  constructor() {
    super();
    this.attachShadow({ mode: 'open' }).append(h('slot', {}, h('div', { class: 'skeleton' })));
    this.shadowRoot.adoptedStyleSheets = [css, new.target.css].map(sheetOf);
  }

  get snapshot() {
    return this.#snapshot;
  }

  set snapshot(document) {
    this.#snapshot = document;
    this.changed();
  }

  get messages() {
    return this.#messages;
  }

  set messages(words) {
    this.#messages = words;
    this.changed();
  }

  connectedCallback() {
    // What was set before the tag was defined hides the accessors.
    for (const name of ['snapshot', 'messages']) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
    ticking.add(this);
    document.addEventListener('visibilitychange', tick);
    tick();
    this.#join();
  }

  disconnectedCallback() {
    ticking.delete(this);
    this.#leave();
  }

  attributeChangedCallback(name, before, now) {
    if (this.isConnected && before !== now) this.#join();
  }

  #join() {
    const goal = this.getAttribute('goal');
    const src = new URL(this.getAttribute('src') ?? '/', document.baseURI).href.replace(/\/+$/, '');
    const listener = () => this.changed();
    const leave = this.#leave;
    this.feed = goal ? feedFor(src, this.getAttribute('key')) : undefined;
    const topic = (this.topic = this.feed?.watch(goal, this.getAttribute('user'), listener));
    this.#leave = () => topic?.leave(listener);
    leave?.();
    this.changed();
  }

  /** Render once for all that has changed by then. */
  changed() {
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      if (this.isConnected) this.#render();
    });
  }

  #render() {
    this.words = { ...GoalElement.messages, ...this.constructor.messages, ...this.#messages };
    this.format = new Format(this.getAttribute('locale') || document.documentElement.lang, this.words.units);
    const state = this.#state();
    const data = this.#snapshot ?? this.data();
    if (data) this.show(data, state);
    else if (state === 'error') this.#fail();
    this.dataset.state = state;
  }

  #state() {
    const goal = (this.#snapshot ?? this.topic?.progress)?.goal;
    if (!goal) return this.topic?.problem ? 'error' : 'loading';
    const { status, percent } = goal;
    const connection = this.#snapshot ? 'live' : this.feed.state;
    if (status === 'cancelled') return status;
    if (status === 'settled') return percent < 100 ? 'missed' : 'completed';
    if (isLost(connection)) return connection;
    if (percent >= 100) return 'completed';
    return status === 'upcoming' ? status : connection;
  }

  /** What the server sent in the tag stays; below it, what is wrong. */
  #fail() {
    const retry = h('button', { part: 'retry' }, this.words.retry);
    retry.onclick = () => this.feed.ask(this.topic);
    this.shadowRoot.replaceChildren(h('slot'), h('p', { role: 'alert' }, this.words.error, ' ', retry));
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  tick() {}
}
