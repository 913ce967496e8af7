// The official OpenAI SDK for Node.js against a guarded endpoint. In: its URL. Out: checks, as JSON.
import { createRequire } from "node:module";

const OpenAI = createRequire(process.cwd() + "/")("openai");
const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "k", maxRetries: 0 });
const ask = (content, rest = {}) =>
  client.chat.completions.create({ model: "up", messages: [{ role: "user", content }], ...rest });

async function read(content) {
  let text = "", reason = null;
  for await (const part of await ask(content, { stream: true })) {
    for (const choice of part.choices) {
      text += choice.delta.content ?? "";
      reason = choice.finish_reason ?? reason;
    }
  }
  return { text, reason };
}

const refused = (call) => call().then(() => false, (error) => error.status === 400 && error.code === "content_filter");

const checks = {
  answer: async () => (await ask("lunch")).choices[0].message.content.includes("soup"),
  stream: async () => { const { text, reason } = await read("lunch"); return text.includes("soup") && reason === "stop"; },
  "tool call": async () => {
    const tools = [{ type: "function", function: { name: "look_up", parameters: { type: "object" } } }];
    const events = client.chat.completions.stream({ model: "up", messages: [{ role: "user", content: "use a tool" }], tools });
    const call = (await events.finalChatCompletion()).choices[0].message.tool_calls[0];
    return JSON.parse(call.function.arguments).dish === "leek soup";
  },
  "refused prompt": () => refused(() => ask("the melt")),
  "refused prompt, streamed": () => refused(() => ask("the melt", { stream: true })),
  "halted answer": async () => (await ask("leak")).choices[0].finish_reason === "content_filter",
  "halted stream": async () => { const { text, reason } = await read("leak"); return !text.includes("melt") && reason === "content_filter"; },
  models: async () => (await client.models.list()).data[0].id === "up",
  moderations: async () => (await client.moderations.create({ input: "the melt" })).results[0].flagged,
  response: async () => (await client.responses.create({ model: "up", input: "lunch" })).output_text.includes("soup"),
  "halted response": async () => (await client.responses.create({ model: "up", input: "leak" })).status === "incomplete",
};

const found = {};
for (const [name, check] of Object.entries(checks)) {
  found[name] = await check().catch((error) => { console.error(String(error).slice(0, 300)); return false; });
}
console.log(JSON.stringify(found));
