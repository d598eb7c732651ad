// Phoenix's own client: args are the server and a key, and a token for its subprotocol where there is one.
import { Socket } from "phoenix";

const url = args[0].replace("http", "ws");
const socket = new Socket(`${url}/realtime/v1`, { params: { apikey: args[1] }, authToken: args[2], timeout: 3_000 });
socket.connect();
const channel = socket.channel("realtime:community_goals", {});
channel.on("broadcast", ({ event, payload }) => tell(["broadcast", event, payload]));
channel
  .join()
  .receive("ok", () => tell(["joined"]))
  .receive("error", ({ reason }) => tell(["refused", reason]));
