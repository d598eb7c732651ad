/** `<goal-contributors>`: who contributed most, the viewer's own rank, and how many take part. */

import { GoalElement, h } from './element.js';
import { paced } from './feed.js';

export class GoalContributors extends GoalElement {
  static css = `
table { inline-size: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { font-size: 1em; padding-block-end: .4em; }
th, td { padding: .35em .5em; text-align: start; font-weight: 400; overflow-wrap: anywhere; }
thead th { font-size: .8em; padding-block: .1em; }
tr > :first-child { inline-size: 3em; }
tr > :last-child { text-align: end; }
td { white-space: nowrap; }
tbody tr { border-block-start: 1px solid var(--goal-line, light-dark(#d5e2ec, #28425a)); }
tr[data-medal] > :first-child { font-weight: 700; color: var(--goal-accent, light-dark(#1668b8, #6cc4ff)); }
[aria-current] { background: var(--goal-own, light-dark(#e2f1fb, #1b3b55)); }
[aria-current] * { font-weight: 650; }
.apart { border-block-start-style: double; border-block-start-width: 4px; }
.count { font-size: .9em; padding: .5em; }`;

  static messages = {
    caption: 'Top contributors',
    rank: 'Rank',
    contributor: 'Contributor',
    amount: (unit) => `Amount (${unit})`,
    you: 'you',
    participants: (count, isOne) => `${count} ${isOne ? 'contributor' : 'contributors'}`,
    nobody: 'No contributions yet. Be the first!',
  };

  #board;
  #asked;
  #topic;
  #ask = paced(() => this.#load());

  async #load() {
    const { topic, feed } = this;
    if (!topic) return;
    try {
      const board = await feed.get(topic, 'leaderboard', { limit: 10 });
      if (topic !== this.topic) return;
      this.#board = board;
      this.changed();
    } catch {
      // The next change of the goal or of the connection asks again.
      this.#asked = undefined;
    }
  }

  data() {
    const goal = this.topic?.progress?.goal;
    if (this.#topic !== this.topic) this.#board = this.#asked = undefined;
    this.#topic = this.topic;
    const version = goal && goal.epoch + goal.seq;
    if (version !== this.#asked) this.#ask();
    this.#asked = version;
    return goal && this.#board && { ...this.#board, goal };
  }

  show({ goal, contributors, participantCount, user }) {
    const { words, format } = this;
    const row = ({ rank, userId, displayName, amount }, apart) => {
      const name = h('th', { scope: 'row' }, h('bdi', {}, displayName ?? userId));
      const node = h('tr', {}, h('td', {}, format.number(rank)), name, h('td', {}, format.number(amount)));
      if (rank < 4) node.dataset.medal = rank;
      if (apart) node.className = 'apart';
      if (userId === (user?.userId ?? this.getAttribute('user'))) {
        node.setAttribute('aria-current', 'true');
        name.append(` (${words.you})`);
      }
      return node;
    };
    const rows = contributors.map((one) => row(one));
    if (user && !contributors.some(({ userId }) => userId === user.userId)) rows.push(row(user, true));
    const head = [words.rank, words.contributor, words.amount(goal.unit)].map((word) => h('th', { scope: 'col', class: 'muted' }, word));
    this.shadowRoot.replaceChildren(
      h('table', { part: 'table' }, h('caption', {}, words.caption), h('thead', {}, h('tr', {}, ...head)), h('tbody', {}, ...rows)),
      h('p', { class: 'count muted', part: 'count' }, participantCount ? words.participants(format.number(participantCount), participantCount === 1) : words.nobody),
    );
  }
}
