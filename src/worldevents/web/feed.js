/**
 * The live state of goals: one stream per server and key for all elements of a page, opened anew after any end; where
 * none gets through, the state is asked for. No state is followed by an older one of its epoch.
 */

const NEWS = ['goal_update', 'goal_tier_unlocked', 'goal_completed', 'goal_started', 'goal_ended'];
const PATIENCE = 10_000;
const feeds = new Map();

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const newer = (state, known) => state.epoch !== known.epoch || state.seq > known.seq;
/** Time that only goes forward: setting the clock moves no countdown. */
const local = () => performance.timeOrigin + performance.now();

/** `work` when called, but only every two or three seconds, and while somebody sees the page. */
export function paced(work) {
  let asked = false;
  let busy = false;
  return async () => {
    asked = true;
    if (busy) return;
    for (busy = true; asked; await pause(2000 + Math.random() * 1000)) {
      await pause(Math.random() * 300);
      if (document.hidden) await new Promise((done) => document.addEventListener('visibilitychange', done, { once: true }));
      asked = false;
      await work();
    }
    busy = false;
  };
}

export function feedFor(src, key) {
  const name = `${src} ${key}`;
  if (!feeds.has(name)) feeds.set(name, new GoalFeed(src, key));
  return feeds.get(name);
}

class GoalFeed {
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

  constructor(src, key) {
    this.src = src;
    this.key = key;
    addEventListener('online', () => this.#open());
    addEventListener('offline', () => this.#lost());
    // A page that nobody sees keeps no connection: browsers allow a server only six.
    document.addEventListener('visibilitychange', () => {
      clearTimeout(this.#hidden);
      if (document.hidden) this.#hidden = setTimeout(() => this.#close(), 30_000);
      else if (!this.#stream) this.#open();
    });
  }

  /** The server's time, as well as it is known. */
  now() {
    return local() + this.#offset;
  }

  /** Call `listener` at each change of a goal or of one user's share, until `topic.leave(listener)`. */
  watch(goal, user, listener) {
    const name = `${goal} ${user}`;
    let topic = this.#topics.get(name);
    if (!topic) {
      topic = { goal, user, listeners: new Set() };
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

  /** GET one of a goal's documents; a refusal throws its problem. */
  async get({ goal, user }, name, query) {
    const search = new URLSearchParams({ ...query, ...(user && { userId: user }) });
    const answer = await fetch(`${this.src}/v1/goals/${encodeURIComponent(goal)}/${name}?${search}`, {
      headers: this.key ? { Authorization: `Bearer ${this.key}` } : {},
      cache: 'no-cache', // the browser's own cache asks with the ETag
      signal: AbortSignal.timeout(PATIENCE),
    });
    const body = await answer.json();
    if (!answer.ok) throw body;
    return body;
  }

  async ask(topic) {
    try {
      const { goal, ...own } = await this.get(topic, 'progress');
      const { live } = topic;
      this.#hear(goal);
      topic.progress = { ...own, goal: live?.epoch === goal.epoch && newer(live, goal) ? { ...goal, ...live } : goal };
      topic.problem = undefined;
    } catch (problem) {
      topic.problem = problem;
    }
    this.#tell(topic);
    return !topic.problem;
  }

  #tell(topic) {
    for (const listener of topic.listeners) listener();
  }

  #become(state) {
    this.state = state;
    for (const topic of this.#topics.values()) this.#tell(topic);
  }

  /** A serverTime is always a little old, so the latest guess is the best; another epoch may have another time. */
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

  /** For other goals than before, once the caller is done: an id belongs to the goals it was received for. */
  #again() {
    this.#close();
    this.#resume = undefined;
    this.#timer = setTimeout(() => this.#open());
  }

  #open() {
    this.#close();
    if (!this.#topics.size) return;
    const query = new URLSearchParams({ goals: [...new Set([...this.#topics.values()].map(({ goal }) => goal))] });
    if (this.key) query.set('apikey', this.key);
    if (this.#resume) query.set('lastEventId', this.#resume);
    const stream = (this.#stream = new EventSource(`${this.src}/v1/stream?${query}`));
    const lost = () => this.#lost();
    this.#timer = setTimeout(lost, PATIENCE);
    stream.onopen = () => {
      clearTimeout(this.#timer);
      this.#failures = 0;
      this.#become('live');
      for (const topic of this.#topics.values()) if (this.#opened || topic.problem) topic.refresh();
      this.#opened = true;
    };
    // The browser's own reconnecting gives up for good on any answer but 200.
    stream.onerror = lost;
    stream.addEventListener('bye', lost);
    for (const name of NEWS) stream.addEventListener(name, (event) => this.#news(event));
  }

  #news({ type, data, lastEventId }) {
    const { goalId, newValue, contributors, ...state } = JSON.parse(data);
    this.#resume = lastEventId;
    for (const topic of this.#topics.values()) {
      if (topic.goal !== goalId) continue;
      const known = topic.progress?.goal;
      const last = known ?? topic.live;
      const isNews = newValue !== undefined && (!last || newer(state, last));
      if (isNews) topic.live = { ...state, currentValue: newValue, participantCount: contributors };
      if (!known) continue;
      // The stream does not carry the rewards, nor the user's share.
      if (type !== 'goal_update' || (isNews && (topic.user || state.targetValue !== known.targetValue))) topic.refresh();
      if (!isNews) continue;
      this.#hear(state);
      topic.progress = { ...topic.progress, goal: { ...known, ...topic.live } };
      this.#tell(topic);
    }
  }

  /** Wait longer each time, and not as long as everybody else. */
  #lost() {
    this.#close();
    const quiet = navigator.onLine ? 'stale' : 'offline';
    if (this.state === 'live') this.heard = this.now();
    this.#failures += 1;
    if (quiet === 'offline' || (this.#failures > 1 && this.state !== 'polling')) this.#become(quiet);
    const again = async () => {
      if (this.#failures > 2) {
        const answers = await Promise.all([...this.#topics.values()].map((topic) => this.ask(topic)));
        this.#become(answers.every(Boolean) ? 'polling' : quiet);
      }
      this.#open();
    };
    this.#timer = setTimeout(again, Math.min(15_000, 500 * 2 ** this.#failures) * (0.5 + Math.random() / 2));
  }
}
