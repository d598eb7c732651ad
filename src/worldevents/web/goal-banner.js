/** `<community-goal-banner>`: a goal's bar, its milestones, the time that remains and the viewer's share. */

import { GoalElement, h, isLost } from './element.js';

/** Like every number of a total: rounded down, none is more than the server's. */
const ABOUT = { notation: 'compact', compactDisplay: 'long', maximumFractionDigits: 1, roundingMode: 'floor' };
const isUnlocked = (goal, { threshold, unlocked }) => unlocked || !!goal.tiersUnlocked?.includes(threshold);

export class CommunityGoalBanner extends GoalElement {
  static css = `
article { display: grid; gap: .75em; }
header, .line { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline; gap: 0 1em; }
header { flex-wrap: nowrap; }
.state { font-size: .8em; text-align: end; }
.state::before { content: '\\25CF'; margin-inline-end: .4em; }
:host(:is([data-state=live], [data-state=completed])) .state::before { color: var(--goal-good, light-dark(#0f7a56, #46d6a2)); }
:host(:is([data-state=stale], [data-state=offline])) .state { color: var(--goal-bad, light-dark(#a34a06, #ffb267)); }
.value { font-size: min(2.1em, 10cqi); font-weight: 700; line-height: 1.15; letter-spacing: -.02em; }
.percent { font-size: 1.4em; font-weight: 650; color: var(--goal-accent, light-dark(#1668b8, #6cc4ff)); }
.bar { position: relative; block-size: var(--goal-bar-height, 1em); border-radius: 9em; overflow: clip; background: var(--goal-track, light-dark(#dbe7f1, #22384b)); }
.fill { block-size: 100%; border-radius: inherit; background: var(--goal-fill, linear-gradient(90deg, light-dark(#1668b8, #2f8fe8), light-dark(#35b3e6, #8fe9ff))); }
.mark { position: absolute; inset-block: 0; inline-size: 2px; background: light-dark(#fff, #10202f); }
ol { list-style: none; }
li { display: grid; grid-template-columns: 1.4em 3.4em 1fr; padding-block: .15em; }
li::before { content: '\\2744' / ''; opacity: .4; }
.unlocked::before { content: '\\2713' / ''; opacity: 1; color: var(--goal-good, light-dark(#0f7a56, #46d6a2)); }
@keyframes fresh { from { background: light-dark(#7fd4ff, #23688a); } }
@media (prefers-reduced-motion: no-preference) { .fill { transition: inline-size .8s; } .fresh { animation: fresh 3s; } }
@media (forced-colors: active) { .bar { border: 1px solid; } .fill { forced-color-adjust: none; background: Highlight; } }`;

  static messages = {
    states: {
      loading: 'Connecting',
      live: 'Live',
      polling: 'Polling',
      stale: 'Reconnecting',
      offline: 'Offline',
      upcoming: 'Upcoming',
      completed: 'Reached',
      missed: 'Ended',
      cancelled: 'Cancelled',
    },
    asOf: (state, span) => `${state}, as of ${span} ago`,
    of: (target) => `of ${target}`,
    progress: (value, target, percent) => `${value} of ${target}, ${percent}`,
    startsIn: (span) => `Starts in ${span}`,
    left: (span) => `${span} left`,
    grace: 'Ended, late entries still count',
    ended: 'Ended',
    onTrack: (day) => `On track for ${day}`,
    pace: (percent) => `${percent} by the end at this pace`,
    reward: ({ amount, name, quantity, multiplier, minutes, pieces }) =>
      [amount, name, quantity > 1 && `×${quantity}`, multiplier && `×${multiplier}`, minutes && `${minutes} min`, pieces && `(${pieces.join(', ')})`]
        .filter(Boolean)
        .join(' '),
    unlocked: 'Unlocked',
    yours: 'Unlocked, yours',
    toGo: (amount) => `${amount} to go`,
    you: (amount, rank, count) => `You: ${amount}, rank ${rank} of ${count}`,
    notYet: 'You have not contributed yet',
    pending: (amount) => `${amount} under review`,
    tierUnlocked: (reward, goal) => `${goal}: ${reward} unlocked`,
    goalCompleted: (goal) => `${goal}: goal reached`,
    lost: 'Connection lost',
    restored: 'Connected again',
  };

  #ui;
  #known;
  #shown;
  #frame;

  data() {
    return this.topic?.progress;
  }

  #build() {
    const ui = (this.#ui = {});
    const part = (tag, name, attributes, ...children) =>
      (ui[name] = h(tag, { class: name, part: name, ...attributes }, ...children));
    this.shadowRoot.replaceChildren(
      h('article', {},
        h('header', {}, part('h3', 'name'), part('span', 'state')),
        part('p', 'description'),
        h('p', { class: 'line' }, part('span', 'value'), part('span', 'percent')),
        part('div', 'bar', { role: 'progressbar', 'aria-valuemin': 0 }, part('div', 'fill'), part('div', 'marks')),
        h('p', { class: 'line muted' }, part('span', 'target'), part('span', 'time')),
        part('ol', 'tiers', { role: 'list' }),
        h('footer', {}, part('p', 'pace'), part('p', 'you')),
        part('p', 'said', { role: 'status' }),
      ),
    );
  }

  show(progress, state) {
    if (!this.#ui) this.#build();
    const ui = this.#ui;
    const { format, words } = this;
    const { goal } = progress;
    const { name, percent, currentValue, targetValue, unit } = goal;
    const before = this.#known?.goal.id === goal.id ? this.#known : undefined;
    this.#known = { goal, state };
    ui.name.textContent = name;
    ui.description.textContent = goal.description;
    ui.percent.textContent = format.percent(percent);
    ui.target.textContent = words.of(format.amount(targetValue, unit));
    ui.you.textContent = this.#own(progress);
    ui.fill.style.inlineSize = `${Math.min(100, percent)}%`;
    const about = format.amount(targetValue, unit, { ...ABOUT, unitDisplay: 'long' });
    const aria = {
      label: name,
      valuemax: targetValue,
      valuenow: Math.min(currentValue, targetValue),
      valuetext: words.progress(format.number(currentValue, ABOUT), about, format.percent(Math.floor(percent))),
    };
    for (const key in aria) ui.bar.setAttribute(`aria-${key}`, aria[key]);
    this.#count(before && this.#shown, currentValue);
    this.#tiers(progress, before?.goal);
    this.tick();
    if (before && isLost(before.state) !== isLost(state)) {
      // One banner speaks of the connection that all share.
      if (!this.feed.speaker?.isConnected) this.feed.speaker = this;
      if (this.feed.speaker === this) this.#say(isLost(state) ? words.lost : words.restored);
    }
    if (before?.goal.percent < 100 && percent >= 100) {
      this.#say(words.goalCompleted(name));
      this.tell('goal-completed', { goal });
    }
    if (before?.goal !== goal) this.tell('goal-update', progress);
  }

  /** Up to what the server said, never past it. */
  #count(from, to) {
    cancelAnimationFrame(this.#frame);
    const isStill = !(from < to) || document.hidden || matchMedia('(prefers-reduced-motion)').matches;
    const start = performance.now();
    const step = () => {
      const share = (performance.now() - start) / 800;
      const isThere = isStill || share >= 1;
      this.#shown = isThere ? to : from + (to - from) * share;
      this.#ui.value.textContent = this.format.number(Math.floor(this.#shown));
      if (!isThere) this.#frame = requestAnimationFrame(step);
    };
    step();
  }

  #tiers({ goal, userContribution }, before) {
    const { words, format } = this;
    const { tiers, marks } = this.#ui;
    marks.replaceChildren();
    goal.rewardTiers.forEach((tier, index) => {
      const { threshold, thresholdValue, audience, minimum } = tier;
      const line = h('span', { class: 'line' }, h('span'), h('span', { class: 'muted' }));
      const row = tiers.children[index] ?? tiers.appendChild(h('li', { part: 'tier' }, h('span'), line));
      const unlocked = isUnlocked(goal, tier);
      const isOwn = this.getAttribute('user') && (audience === 'everyone' || (userContribution && userContribution >= minimum));
      const toGo = format.amount(Math.max(0, thresholdValue - goal.currentValue), goal.unit);
      const reward = words.reward(tier.reward);
      row.firstChild.textContent = format.percent(threshold);
      row.lastChild.firstChild.textContent = reward;
      row.lastChild.lastChild.textContent = unlocked ? words[isOwn ? 'yours' : 'unlocked'] : words.toGo(toGo);
      row.classList.toggle('unlocked', unlocked);
      marks.append(h('i', { class: 'mark' }));
      marks.lastChild.style.insetInlineStart = `${threshold}%`;
      const known = before?.rewardTiers.find((one) => one.threshold === threshold);
      if (!known || isUnlocked(before, known) || !unlocked) return;
      row.classList.add('fresh');
      this.#say(words.tierUnlocked(reward, goal.name));
      this.tell('tier-unlocked', { goal, tier });
    });
    while (tiers.children.length > goal.rewardTiers.length) tiers.lastChild.remove();
  }

  #own({ goal, userContribution, userPending, userRank, participantCount }) {
    const { words, format } = this;
    if (!this.getAttribute('user')) return '';
    const amount = (value) => format.amount(value, goal.unit);
    const own = userContribution
      ? words.you(amount(userContribution), format.number(userRank), format.number(participantCount))
      : words.notYet;
    return userPending ? `${own}, ${words.pending(amount(userPending))}` : own;
  }

  #say(text) {
    this.#ui.said.textContent = text;
  }

  tick() {
    if (!this.#known) return;
    const { words, format, feed } = this;
    const { goal, state } = this.#known;
    const { currentValue, targetValue, percent, status } = goal;
    const now = feed ? feed.now() : Date.now();
    const starts = Date.parse(goal.startsAt);
    const ends = Date.parse(goal.endsAt);
    const isOver = status === 'settled' || status === 'cancelled';
    const isRunning = !isOver && now >= starts && now < ends;
    let pace = '';
    if (isRunning && currentValue && percent < 100) {
      const reached = starts + ((now - starts) * targetValue) / currentValue;
      const share = (percent * (ends - starts)) / (now - starts);
      pace = reached < ends ? words.onTrack(format.day(reached)) : words.pace(format.percent(Math.floor(share)));
    }
    let time = isOver ? words.ended : words.grace;
    if (isRunning) time = words.left(format.span(ends - now));
    else if (!isOver && now < starts) time = words.startsIn(format.span(starts - now));
    const word = words.states[state];
    this.#ui.time.textContent = time;
    this.#ui.pace.textContent = pace;
    this.#ui.state.textContent = isLost(state) ? words.asOf(word, format.span(now - feed.heard)) : word;
  }
}
