// Supabase's client, steered by the test: args are the library, the server, a key, and options of its realtime part.
// A command is [verb, topic, ...]; what happens is told as [kind, topic, ...].
const { createClient } = await import(args[0]);
const supabase = createClient(args[1], args[2], { realtime: JSON.parse(args[3] ?? "{}") });
supabase.realtime.onHeartbeat?.((status) => tell(["heartbeat", status]));
const channels = {};

const verbs = {
  join(topic, { config = {}, presence = false, tables = false } = {}) {
    const channel = (channels[topic] = supabase.channel(topic, { config }));
    channel.on("broadcast", { event: "*" }, (m) => tell(["broadcast", topic, m.event, m, (m.payload ?? m).goalId]));
    channel.on("system", {}, (m) => tell(["system", topic, m.status, m.message]));
    if (presence) channel.on("presence", { event: "sync" }, () => tell(["presence", topic]));
    if (tables) channel.on("postgres_changes", { event: "*", schema: "public" }, () => tell(["table", topic]));
    channel.subscribe((status, error) => tell(["status", topic, status, error?.message ?? null]));
  },
  async leave(topic) {
    tell(["left", topic, await supabase.removeChannel(channels[topic])]);
  },
  async send(topic, event, payload) {
    tell(["sent", topic, await channels[topic].send({ type: "broadcast", event, payload })]);
  },
  async track(topic) {
    tell(["tracked", topic, await channels[topic].track({ online: true })]);
  },
  async token(topic, jwt) {
    await supabase.realtime.setAuth(jwt);
    tell(["token", topic]);
  },
};

for (;;) {
  const [verb, topic, ...rest] = await told();
  await verbs[verb](topic, ...rest);
}
