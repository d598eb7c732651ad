// What every program has: its arguments, and the documents it exchanges with the test, one a line.
import { createInterface } from "node:readline";

let lines;

globalThis.args = process.argv.slice(1);
globalThis.tell = (document) => process.stdout.write(`${JSON.stringify(document ?? null)}\n`);
globalThis.told = async () => {
  lines ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const { value, done } = await lines.next();
  if (done) process.exit();
  return JSON.parse(value);
};
