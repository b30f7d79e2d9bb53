// The official Node SDK, unmodified, and the real small model: streamed, answered, and gone on with.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const model = "local";

let streamed = "";
const messages = [{ role: "user", content: "Say hello." }];
for await (const chunk of await client.chat.completions.create({ model, messages, max_tokens: 8, stream: true })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
}
const first = await client.responses.create({ model, input: "My name is Ada.", max_output_tokens: 8 });
const next = { model, input: "Go on.", max_output_tokens: 8, previous_response_id: first.id };
const second = await client.responses.create(next);
console.log(JSON.stringify({ streamed, shown: [first.usage.input_tokens, second.usage.input_tokens] }));
