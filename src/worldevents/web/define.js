/** Registers both tags: import this for its effect. */

import { CommunityGoalBanner } from './goal-banner.js';
import { GoalContributors } from './goal-contributors.js';

for (const [tag, type] of [['community-goal-banner', CommunityGoalBanner], ['goal-contributors', GoalContributors]]) {
  if (!customElements.get(tag)) customElements.define(tag, type);
}
