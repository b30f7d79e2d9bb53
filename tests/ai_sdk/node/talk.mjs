// useChat and DefaultChatTransport, unmodified, told an address and a token: does everything once, with a reload in the
// middle, and prints what a page would show.
import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, lastAssistantMessageIsCompleteWithToolCalls } from "ai";
import { createElement } from "react";
import { act, create } from "react-test-renderer";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
const [, , base, token] = process.argv;
const headers = { Authorization: `Bearer ${token}` };
const transport = new DefaultChatTransport({ api: `${base}/api/chat`, headers, body: { max_tokens: 400 } });
const heard = {};
const textOf = (message) => message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
const shown = (messages) => messages.map((message) => [message.role, textOf(message)]);
const post = (path) => fetch(`${base}${path}`, { method: "POST", headers });

async function until(condition) {
  const giveUp = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > giveUp) throw new Error(`never: ${condition}`);
    await act(() => new Promise((resolve) => setTimeout(resolve, 5)));
  }
}

// A page with a chat in it, as React draws it.
async function open(options, page = {}) {
  const Page = () => {
    page.chat = useChat({ transport, ...options });
    return null;
  };
  await act(async () => {
    page.root = create(createElement(Page));
  });
  page.close = () => act(async () => page.root.unmount());
  return page;
}

// 1: said and answered.
const first = await open({ id: "my-chat" });
act(() => void first.chat.sendMessage({ text: "Hello" }));
await until(() => first.chat.status === "ready" && first.chat.messages.length === 2);
heard.first = shown(first.chat.messages);
heard.metadata = first.chat.messages[1].metadata;
heard.replyId = first.chat.messages[1].id;

// 2: reloaded in the middle of a reply.
act(() => void first.chat.sendMessage({ text: "Go on" }));
await until(() => first.chat.messages.length === 4 && textOf(first.chat.messages[3]).startsWith("Half a "));
heard.before = textOf(first.chat.messages[3]);
await act(() => first.chat.stop()); // the page is gone; the turn is not
await first.close();
const kept = await (await fetch(`${base}/api/chat/my-chat`, { headers })).json();
heard.kept = shown(kept.messages);
const second = await open({ id: "my-chat", messages: kept.messages, resume: true });
await until(() => second.chat.status === "ready" && second.chat.messages.length === 4);
heard.resumed = shown(second.chat.messages);
heard.idle = await transport.reconnectToStream({ chatId: "my-chat" });

// 3: stopped for good.
act(() => void second.chat.sendMessage({ text: "A long one" }));
await until(() => second.chat.messages.length === 6 && textOf(second.chat.messages[5]) === "Long");
heard.stopped = (await (await post("/api/chat/my-chat/stop")).json()).stopped;
await until(() => second.chat.status === "ready");
heard.stoppedState = second.chat.messages[5].metadata.state;

// 4 and 5: the reply said anew, the question said otherwise.
await act(() => second.chat.regenerate());
heard.regenerated = shown(second.chat.messages).at(-1);
await act(() => second.chat.sendMessage({ text: "Otherwise", messageId: second.chat.messages[4].id }));
heard.edited = shown(second.chat.messages).slice(-2);
heard.path = shown((await (await fetch(`${base}/api/chat/my-chat`, { headers })).json()).messages);

// 6: broken off.
await act(() => second.chat.sendMessage({ text: "Fail" }));
heard.failed = [second.chat.status, second.chat.error?.message, textOf(second.chat.messages.at(-1))];

// 7: refused.
const stranger = await open({ transport: new DefaultChatTransport({ api: `${base}/api/chat` }) });
await act(() => stranger.chat.sendMessage({ text: "Hello" }));
heard.refused = [stranger.chat.status, JSON.parse(stranger.chat.error.message).code];

// 8: an image, a tool of the page's whose output goes on by itself, and a reload while the reply goes on.
const weather = { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } };
const withTools = new DefaultChatTransport({ api: `${base}/api/chat`, headers, body: { tools: [weather] } });
const calls = [];
const toolsOf = (page) => ({
  transport: withTools,
  sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
  onToolCall({ toolCall }) {
    calls.push([toolCall.toolName, toolCall.input.city]);
    page.chat.addToolOutput({ tool: toolCall.toolName, toolCallId: toolCall.toolCallId, output: { degrees: calls.length } });
  },
});
const third = {};
await open({ id: "tools", ...toolsOf(third) }, third);
const pixel = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
const image = { type: "file", mediaType: "image/gif", url: pixel };
act(() => void third.chat.sendMessage({ text: "Warmer where?", files: [image] }));
await until(() => third.chat.messages.length === 2 && textOf(third.chat.messages[1]).endsWith("Ro"));
heard.calling = third.chat.messages[1].parts.map((part) => [part.type, part.state, part.output?.degrees]);
await act(() => third.chat.stop());
await third.close();
const loaded = (await (await fetch(`${base}/api/chat/tools`, { headers })).json()).messages;
const fourth = {};
await open({ id: "tools", messages: loaded, resume: true, ...toolsOf(fourth) }, fourth);
await until(() => fourth.chat.status === "ready" && textOf(fourth.chat.messages[1]).endsWith("Rome."));
heard.called = fourth.chat.messages[1].parts.map((part) => [part.type, part.state, part.output?.degrees]);
heard.question = fourth.chat.messages[0].parts.map((part) => part.url ?? part.text);
heard.calls = calls;
const stored = (await (await fetch(`${base}/api/chat/tools`, { headers })).json()).messages;
heard.stored = [stored.length, stored[1].id === fourth.chat.messages[1].id, fourth.chat.messages.length];
await fourth.close();

await second.close();
await stranger.close();
console.log(JSON.stringify(heard));
