/** Registers both tags. */

import { CommunityGoalBanner } from './goal-banner.js';
import { GoalContributors } from './goal-contributors.js';

const registry = globalThis.customElements;
for (const [tag, type] of [['community-goal-banner', CommunityGoalBanner], ['goal-contributors', GoalContributors]]) {
  if (registry && !registry.get(tag)) registry.define(tag, type);
}
