/**
 * The live state of goals: one stream per server and key for all elements of a page. A stream that ends, for whatever
 * reason, is opened anew after a while; where none gets through, the state is asked for instead. A state is never
 * followed by an older one of its epoch.
 */

const NEWS = ['goal_update', 'goal_tier_unlocked', 'goal_completed', 'goal_started', 'goal_ended'];
const PATIENCE = 10_000;
const HIDDEN_FOR = 30_000;
const feeds = new Map();

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const seen = () => document.hidden && new Promise((done) => document.addEventListener('visibilitychange', done, { once: true }));
const newer = (state, known) => state.epoch !== known.epoch || state.seq > known.seq;
/** Time that only goes forward: setting the clock moves no countdown. */
const local = () => performance.timeOrigin + performance.now();

/** `work` when called, but only every two or three seconds, and while somebody sees the page. */
export function paced(work) {
  let asked = false;
  let busy = false;
  const run = async () => {
    for (busy = true; asked; await pause(2000 + Math.random() * 1000)) {
      await pause(Math.random() * 300);
      await seen();
      asked = false;
      await work();
    }
    busy = false;
  };
  return () => {
    asked = true;
    if (!busy) run();
  };
}

/** The page's one feed for a server and a key. */
export function feedFor(src, key) {
  const name = `${src} ${key}`;
  if (!feeds.has(name)) feeds.set(name, new GoalFeed(src, key));
  return feeds.get(name);
}

export class GoalFeed {
  /** @type {'loading' | 'live' | 'polling' | 'stale' | 'offline'} */
  state = 'loading';
  /** When the server was last heard, in the time of `now`. */
  heard = 0;
  #topics = new Map();
  #stream;
  #resume;
  #opened = false;
  #failures = 0;
  #timer;
  #hidden;
  #offset = 0;
  #epoch;

  /** @param {string} src the server's address @param {string | null} [key] */
  constructor(src, key) {
    this.src = src;
    this.key = key;
    addEventListener('online', () => this.#open());
    addEventListener('offline', () => this.#lost());
    document.addEventListener('visibilitychange', () => this.#visibility());
  }

  /** The server's time, as well as it is known. */
  now() {
    return local() + this.#offset;
  }

  /** Call `listener` at each change of a goal, with one user's share, until `topic.leave(listener)`. */
  watch(goal, user, listener) {
    const name = `${goal} ${user}`;
    let topic = this.#topics.get(name);
    if (!topic) {
      topic = { goal, user, listeners: new Set(), live: undefined, progress: undefined, problem: undefined };
      topic.refresh = paced(() => this.ask(topic));
      topic.leave = (one) => {
        topic.listeners.delete(one);
        if (!topic.listeners.size && this.#topics.delete(name)) this.#again();
      };
      this.#topics.set(name, topic);
      this.ask(topic);
      this.#again();
    }
    topic.listeners.add(listener);
    return topic;
  }

  /** GET one of a goal's documents; a refusal throws its problem document. */
  async get(goal, name, query, user) {
    const search = new URLSearchParams(user ? { ...query, userId: user } : query);
    const headers = this.key ? { Authorization: `Bearer ${this.key}` } : {};
    // With no-cache the browser's own cache asks with the ETag.
    const options = { headers, cache: 'no-cache', signal: AbortSignal.timeout(PATIENCE) };
    const answer = await fetch(`${this.src}/v1/goals/${encodeURIComponent(goal)}/${name}?${search}`, options);
    const body = await answer.json();
    if (!answer.ok) throw body;
    return body;
  }

  /** Ask for a topic's progress. */
  async ask(topic) {
    try {
      const { goal, ...own } = await this.get(topic.goal, 'progress', {}, topic.user);
      const { live } = topic;
      this.#hear(goal);
      topic.progress = { ...own, goal: live?.epoch === goal.epoch && newer(live, goal) ? { ...goal, ...live } : goal };
      topic.problem = undefined;
    } catch (problem) {
      topic.problem = problem;
    }
    for (const listener of topic.listeners) listener();
    return !topic.problem;
  }

  #become(state) {
    this.state = state;
    for (const topic of this.#topics.values()) for (const listener of topic.listeners) listener();
  }

  /** A serverTime is a little old when it arrives, so the latest guess is the best; an epoch may begin at any time. */
  #hear({ epoch, serverTime }) {
    const offset = Date.parse(serverTime) - local();
    this.#offset = epoch === this.#epoch ? Math.max(this.#offset, offset) : offset;
    this.#epoch = epoch;
    this.heard = this.now();
  }

  #close() {
    clearTimeout(this.#timer);
    this.#stream?.close();
    this.#stream = undefined;
  }

  /** Open the stream, when the caller is done, for other goals than before: what was seen of it means nothing now. */
  #again() {
    this.#close();
    this.#resume = undefined;
    this.#timer = setTimeout(() => this.#open());
  }

  #open() {
    this.#close();
    if (!this.#topics.size) return;
    const query = new URLSearchParams({ goals: [...new Set([...this.#topics.values()].map((topic) => topic.goal))] });
    if (this.key) query.set('apikey', this.key);
    if (this.#resume) query.set('lastEventId', this.#resume);
    const stream = (this.#stream = new EventSource(`${this.src}/v1/stream?${query}`));
    this.#timer = setTimeout(() => this.#lost(), PATIENCE);
    stream.onopen = () => {
      clearTimeout(this.#timer);
      this.#failures = 0;
      this.#become('live');
      for (const topic of this.#topics.values()) if (this.#opened || topic.problem) topic.refresh();
      this.#opened = true;
    };
    // The browser's own reconnecting gives up for good on any answer but 200.
    stream.onerror = () => this.#lost();
    stream.addEventListener('bye', () => this.#lost());
    for (const name of NEWS) stream.addEventListener(name, (event) => this.#news(event));
  }

  #news({ type, data, lastEventId }) {
    const { goalId, newValue, contributors, snapshot, ...state } = JSON.parse(data);
    this.#resume = lastEventId;
    for (const topic of this.#topics.values()) {
      if (topic.goal !== goalId) continue;
      const known = topic.progress?.goal;
      const isNews = newValue !== undefined && (!known || newer(state, known));
      if (isNews) topic.live = { ...state, currentValue: newValue, participantCount: contributors };
      // The stream does not carry the rewards, nor the user's share.
      const lacks = type !== 'goal_update' || (isNews && (topic.user || state.targetValue !== known?.targetValue));
      if (known && lacks) topic.refresh();
      if (!known || !isNews) continue;
      this.#hear(state);
      topic.progress = { ...topic.progress, goal: { ...known, ...topic.live } };
      for (const listener of topic.listeners) listener();
    }
  }

  /** Wait longer each time, and not as long as everybody else, then open the stream again. */
  #lost() {
    this.#close();
    const quiet = navigator.onLine ? 'stale' : 'offline';
    if (this.state === 'live') this.heard = this.now();
    this.#failures += 1;
    if (quiet === 'offline' || (this.#failures > 1 && this.state !== 'polling')) this.#become(quiet);
    this.#timer = setTimeout(
      async () => {
        if (this.#failures > 2) {
          const answers = await Promise.all([...this.#topics.values()].map((topic) => this.ask(topic)));
          this.#become(answers.every(Boolean) ? 'polling' : quiet);
        }
        this.#open();
      },
      Math.min(15_000, 500 * 2 ** this.#failures) * (0.5 + Math.random() / 2),
    );
  }

  /** A page that nobody sees keeps no connection: browsers allow a server only six. */
  #visibility() {
    clearTimeout(this.#hidden);
    if (document.hidden) this.#hidden = setTimeout(() => this.#close(), HIDDEN_FOR);
    else if (!this.#stream) this.#open();
  }
}
