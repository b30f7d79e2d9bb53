// A chat with Conversation Engine in any page: <script src="https://engine.example.com/widget.js" data-…></script>.
// No build step, no dependency, no cookie, nothing stored in the browser: the conversation is the server's.
(() => {
  "use strict";
  const script = document.currentScript;
  const base = new URL(".", script.src);
  const options = { ...script.dataset };
  const isFrame = "frame" in options;
  if (isFrame) {
    Object.assign(options, Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
    history.replaceState(null, "", location.pathname + location.search); // a token is not left in the address
  }
  const chat = options.chat || "widget";
  const words = {
    title: options.title || "Chat",
    say: options.placeholder || "Write a message",
    send: "Send",
    stop: "Stop",
    open: "Open chat",
    close: "Close chat",
    you: "You said",
    other: options.name || "Answer",
    thinking: "Answering …",
    stopped: "Stopped.",
    lost: "The connection was lost. Trying again …",
    gone: "The server does not answer. What you said is kept; try again in a moment.",
    noToken: "This chat does not know who you are. Please sign in and load the page again.",
  };
  const TRIES = 6;
  const SILENCE_MS = 45_000; // the server's heartbeat comes every 15 s

  // ── the API ──

  let token = options.token;
  async function freshToken() {
    const fetchToken = options.tokenFunction && window[options.tokenFunction];
    token = fetchToken ? await fetchToken() : token;
    return token;
  }

  class Refusal extends Error {
    constructor(problem, status) {
      super(problem.detail || words.gone);
      this.code = problem.code;
      this.status = status;
    }
  }

  async function ask(path, { method = "GET", body, key, signal } = {}) {
    if (!token && !(await freshToken())) throw new Refusal({ detail: words.noToken, code: "not_authenticated" }, 401);
    for (const isLast of [false, true]) {
      const headers = { Authorization: `Bearer ${token}` };
      if (body) headers["Content-Type"] = "application/json";
      if (key) headers["Idempotency-Key"] = key;
      const options = { method, headers, body: body && JSON.stringify(body), signal, credentials: "omit" };
      const answer = await fetch(new URL(path, base), options);
      if (answer.status === 401 && !isLast && (await freshToken())) continue;
      if (!answer.ok) throw new Refusal(await answer.json().catch(() => ({})), answer.status);
      return answer;
    }
  }

  // The chunks of a UI message stream, until [DONE]. Throws where it breaks off or says nothing for too long.
  async function* chunksOf(answer, control) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const watch = setTimeout(() => control.abort(), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(watch));
      if (done) throw new TypeError("broken off");
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        if (block === "data: [DONE]") return;
        if (block.startsWith("data: ")) yield JSON.parse(block.slice(6));
      }
    }
  }

  const isPassing = (error) => !(error instanceof Refusal) || [429, 502, 503, 504].includes(error.status);
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  // ── what is seen ──

  const style = new CSSStyleSheet(); // needs no 'unsafe-inline' of the page's policy
  style.replaceSync(`
    :host { --ink: #1a2233; --paper: #fff; --quiet: #566179; --line: #d5dae3; --tint: #eef2fb; --accent: #2554c7;
      --on-accent: #fff; --alert: #a3211b; color-scheme: light; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); }
    :host([data-scheme="dark"]) { --ink: #e7ebf3; --paper: #171c26; --quiet: #a3aec2; --line: #364052; --tint: #232b3a;
      --accent: #8fb0ff; --on-accent: #0e1422; --alert: #ff9d96; color-scheme: dark; }
    * { box-sizing: border-box; }
    button, textarea { font: inherit; color: inherit; }
    button { cursor: pointer; border: 0; border-radius: 10px; padding: 8px 14px; min-height: 44px;
      background: var(--accent); color: var(--on-accent); font-weight: 600; }
    button.plain { background: transparent; color: var(--quiet); min-width: 44px; padding: 8px; }
    :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
    .launcher { position: fixed; right: 20px; bottom: 20px; z-index: 2147483000; border-radius: 999px;
      padding: 12px 22px; box-shadow: 0 4px 18px rgb(0 0 0 / .25); }
    .panel { display: flex; flex-direction: column; background: var(--paper); color: var(--ink); height: 100%;
      border: 1px solid var(--line); border-radius: 14px; overflow: hidden; }
    .panel[hidden] { display: none; }
    .floating .panel { position: fixed; right: 12px; bottom: 12px; z-index: 2147483000; width: min(400px, calc(100vw - 24px));
      height: min(600px, calc(100dvh - 40px)); box-shadow: 0 8px 40px rgb(0 0 0 / .3); }
    .frame .panel { position: fixed; inset: 0; border: 0; border-radius: 0; }
    .inline { height: 100%; min-height: 320px; }
    header { display: flex; align-items: center; justify-content: space-between; padding: 6px 8px 6px 16px;
      border-bottom: 1px solid var(--line); min-height: 56px; }
    h2 { margin: 0; font-size: 1rem; }
    .log { flex: 1; overflow-y: auto; padding: 16px; display: flex; flex-direction: column; gap: 10px; overscroll-behavior: contain; }
    .message { max-width: 86%; padding: 8px 13px; border-radius: 14px; background: var(--tint); white-space: pre-wrap;
      overflow-wrap: anywhere; align-self: flex-start; }
    .message.user { align-self: flex-end; background: var(--accent); color: var(--on-accent); }
    .message:has(.words:empty) { display: none; }
    ::placeholder { color: var(--quiet); opacity: 1; }
    .status { min-height: 1.5em; padding: 0 16px; color: var(--quiet); font-size: .875rem; }
    .alert { padding: 0 16px; color: var(--alert); font-size: .875rem; }
    form { display: flex; gap: 8px; padding: 10px 12px 12px; border-top: 1px solid var(--line); align-items: flex-end; }
    textarea { flex: 1; resize: none; min-height: 44px; max-height: 30vh; padding: 9px 12px; border: 1px solid var(--quiet);
      border-radius: 10px; background: var(--paper); field-sizing: content; }
    .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  `);

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  class Widget {
    constructor() {
      this.host = element("div", { "data-conversation-widget": "" });
      const root = this.host.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [style];
      this.log = element("div", { class: "log", role: "log", "aria-label": words.title, tabindex: "0" });
      this.status = element("div", { class: "status", role: "status" });
      this.alert = element("div", { class: "alert", role: "alert" });
      this.box = element("textarea", { id: "box", rows: "1", placeholder: words.say, maxlength: "20000" });
      this.button = element("button", { type: "submit" }, words.send);
      const label = element("label", { for: "box", class: "unseen" }, words.say);
      this.form = element("form", {}, label, this.box, this.button);
      this.close = element("button", { type: "button", class: "plain", "aria-label": words.close }, "✕");
      const header = element("header", {}, element("h2", { id: "title" }, words.title));
      this.panel = element("section", { class: "panel", "aria-labelledby": "title" }, header, this.log, this.alert, this.status, this.form);
      this.launcher = element("button", { type: "button", class: "launcher", "aria-expanded": "false" }, words.title);
      this.launcher.setAttribute("aria-label", `${words.open}: ${words.title}`);
      this.place = element("div", {}, this.panel);
      root.append(this.place);
      this.target = options.target && document.querySelector(options.target);
      this.place.className = isFrame ? "frame" : this.target ? "inline" : "floating";
      if (!isFrame && !this.target) {
        header.append(this.close);
        this.place.prepend(this.launcher);
        this.panel.hidden = true;
      }
      this.listen();
      (this.target || document.body).append(this.host);
      if (!this.panel.hidden) this.begin();
    }

    listen() {
      const dark = matchMedia("(prefers-color-scheme: dark)");
      const paint = () => {
        const isDark = options.theme === "dark" || (options.theme !== "light" && dark.matches);
        this.host.dataset.scheme = isDark ? "dark" : "light";
      };
      paint();
      dark.addEventListener("change", paint);
      this.launcher.addEventListener("click", () => this.show(true));
      this.close.addEventListener("click", () => this.show(false));
      this.form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.isAnswering ? this.stop() : this.say(this.box.value.trim());
      });
      this.box.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
          event.preventDefault();
          if (!this.isAnswering) this.say(this.box.value.trim());
        }
      });
      this.panel.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        if (this.isAnswering) this.stop();
        else if (!this.close.isConnected) return;
        else this.show(false);
      });
      addEventListener("online", () => this.wake?.());
    }

    show(isOpen) {
      this.panel.hidden = !isOpen;
      this.launcher.hidden = isOpen;
      this.launcher.setAttribute("aria-expanded", String(isOpen));
      (isOpen ? this.box : this.launcher).focus();
      if (isOpen && !this.hasBegun) this.begin();
    }

    // What was said before, and the reply that is being said.
    async begin() {
      this.hasBegun = true;
      await this.guarded(async () => {
        await this.load();
        await this.follow(() => ask(`api/chat/${encodeURIComponent(chat)}/stream`, { signal: this.control.signal }));
      });
    }

    async say(text) {
      if (!text || this.isAnswering) return;
      this.box.value = "";
      this.hasStarted = false;
      const said = this.add("user", text);
      this.answering(true);
      const key = crypto.randomUUID?.() || `${Date.now()}-${Math.random()}`;
      const message = { id: key, role: "user", parts: [{ type: "text", text }] };
      const body = { id: chat, messages: [message], trigger: "submit-message" };
      const isSaid = await this.guarded(() =>
        this.follow(() => ask("api/chat", { method: "POST", body, key, signal: this.control.signal })),
      );
      if (isSaid || this.hasStarted) return;
      said.parentElement.remove(); // it is not stored: it can be sent again
      this.box.value ||= text;
    }

    async stop() {
      await this.guarded(() => ask(`api/chat/${encodeURIComponent(chat)}/stop`, { method: "POST" }), { isAside: true });
    }

    async load() {
      const answer = await ask(`api/chat/${encodeURIComponent(chat)}`).catch((error) => {
        if (error.status === 404) return null; // nothing was said yet
        throw error;
      });
      const { messages } = answer ? await answer.json() : { messages: [] };
      this.log.replaceChildren();
      for (const { id, role, parts } of messages) {
        this.add(role, parts.map((part) => part.text).join(""), id);
      }
    }

    // Read a reply to its end, over as many connections as it takes.
    async follow(open) {
      const resumed = () => ask(`api/chat/${encodeURIComponent(chat)}/stream`, { signal: this.control.signal });
      for (let failures = 0; ; ) {
        this.control = new AbortController();
        try {
          const answer = await open();
          if (answer.status === 204) return failures ? this.load() : undefined; // it ended meanwhile
          this.answering(true);
          for await (const chunk of chunksOf(answer, this.control)) {
            if (chunk.type === "start") open = resumed; // from now on the server has it
            if (chunk.type === "text-delta") failures = 0;
            this.take(chunk);
          }
          return;
        } catch (error) {
          if (!isPassing(error) || ++failures >= TRIES) throw error;
          this.status.textContent = words.lost;
          await Promise.race([pause(250 * 2 ** failures), new Promise((resolve) => (this.wake = resolve))]);
        }
      }
    }

    take(chunk) {
      switch (chunk.type) {
        case "start":
          this.hasStarted = true;
          this.reply = this.find(chunk.messageId) || this.add("assistant", "", chunk.messageId);
          this.words = this.reply.firstChild || this.reply.appendChild(document.createTextNode(""));
          this.words.data = "";
          this.log.setAttribute("aria-busy", "true"); // read out when it is whole, not word by word
          break;
        case "reset-step":
          this.words.data = "";
          break;
        case "text-delta": {
          const isAtEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 60;
          this.words.appendData(chunk.delta);
          if (isAtEnd) this.log.scrollTop = this.log.scrollHeight;
          break;
        }
        case "abort":
          this.note = words.stopped;
          break;
        case "error":
          this.alert.textContent = chunk.errorText;
      }
    }

    async guarded(work, { isAside = false } = {}) {
      if (!isAside) this.alert.textContent = "";
      try {
        await work();
        return true;
      } catch (error) {
        this.alert.textContent = error instanceof Refusal ? error.message : words.gone;
        return false;
      } finally {
        if (!isAside) this.answering(false);
      }
    }

    answering(isAnswering) {
      this.isAnswering = isAnswering;
      this.button.textContent = isAnswering ? words.stop : words.send;
      this.status.textContent = isAnswering ? words.thinking : this.note || "";
      this.note = "";
      if (!isAnswering) this.log.removeAttribute("aria-busy");
    }

    find(id) {
      return [...this.log.querySelectorAll("[data-id]")].find((one) => one.dataset.id === id)?.querySelector(".words");
    }

    add(role, text, id = "") {
      const words_ = element("div", { class: "words" }, text);
      const who = element("span", { class: "unseen" }, `${role === "user" ? words.you : words.other}: `);
      this.log.append(element("div", { class: `message ${role}`, "data-id": id }, who, words_));
      this.log.scrollTop = this.log.scrollHeight;
      return words_;
    }
  }

  const start = () => new Widget();
  document.body ? start() : addEventListener("DOMContentLoaded", start);
})();
