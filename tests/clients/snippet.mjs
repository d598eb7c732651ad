// The lines that a live-ops team's page has, as they were asked for: args are the library, the server, and a key.
const { createClient } = await import(args[0]);
const supabase = createClient(args[1], args[2]);
const updateGoalProgress = (goalId, newValue) => tell([goalId, newValue]);

const channel = supabase
  .channel('community_goals')
  .on('broadcast', { event: 'goal_update' }, (payload) => {
    updateGoalProgress(payload.goalId, payload.newValue);
  })
  .subscribe();
