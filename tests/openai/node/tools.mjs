// The official Node SDK with a tool: its own runner in a chat, and by hand over responses that are streamed.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const model = "scripted/test";
const question = "Rain in Oslo?";
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const heard = { asked: [] };

function weather({ city }) {
  heard.asked.push(city);
  return `It rains in ${city}.`;
}

const runner = client.chat.completions.runTools({
  model,
  stream: true,
  messages: [{ role: "user", content: question }],
  tools: [{ type: "function", function: { name: "weather", parameters, parse: JSON.parse, function: weather } }],
});
heard.chat = await runner.finalContent();

const tools = [{ type: "function", name: "weather", parameters, strict: true }];
const first = await client.responses.stream({ model, input: question, tools }).finalResponse();
const input = first.output
  .filter((item) => item.type === "function_call")
  .map((item) => ({ type: "function_call_output", call_id: item.call_id, output: weather(JSON.parse(item.arguments)) }));
const second = await client.responses.create({ model, input, tools, previous_response_id: first.id });
heard.response = second.output_text;
heard.inputs = (await client.responses.inputItems.list(second.id)).data.map((item) => item.type);
console.log(JSON.stringify(heard));
