// The official Node SDK, unmodified, told an address and a key: does everything once and prints what it heard.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const model = "scripted/test";
const heard = {};

heard.models = (await client.models.list()).data.map((one) => one.id);

const hello = [{ role: "user", content: "Hello" }];
heard.chat = (await client.chat.completions.create({ model, messages: hello })).choices[0].message.content;
heard.chatStream = "";
for await (const chunk of await client.chat.completions.create({ model, messages: hello, stream: true })) {
  heard.chatStream += chunk.choices[0]?.delta?.content ?? "";
}

const conversation = await client.conversations.create({ metadata: { topic: "sea" } });
heard.metadata = (await client.conversations.retrieve(conversation.id)).metadata;
const first = await client.responses.create({ model, conversation: conversation.id, input: "One" });
heard.response = [first.status, first.output_text];

const stream = client.responses.stream({ model, conversation: conversation.id, input: "Two“🎉" });
const events = [];
for await (const event of stream) events.push(event);
const second = await stream.finalResponse();
heard.streamed = second.output_text;
heard.kinds = events.map((event) => event.type);
heard.numbers = events.map((event) => event.sequence_number);

const middle = events.find((event) => event.type === "response.content_part.added").sequence_number;
heard.replay = "";
for await (const event of await client.responses.retrieve(second.id, { stream: true, starting_after: middle })) {
  if (event.type === "response.output_text.delta") heard.replay += event.delta;
}

heard.items = [];
for await (const item of client.conversations.items.list(conversation.id, { order: "asc", limit: 1 })) {
  heard.items.push(item.content[0].text);
}
heard.inputs = (await client.responses.inputItems.list(second.id)).data.map((item) => item.content[0].text);

try {
  await client.chat.completions.create({ model, messages: hello, n: 2 });
} catch (error) {
  heard.refusal = [error.constructor.name, error.status, error.code, error.param];
}
try {
  await client.responses.retrieve("resp_" + "0".repeat(32));
} catch (error) {
  heard.missing = [error.constructor.name, error.status, error.code];
}
console.log(JSON.stringify(heard));
