// One column of a chat: prompts and answers. One element, however long the conversation; pieces of an answer are appended.
const TAGS = new Set("A P BR HR EM STRONG S DEL CODE PRE BLOCKQUOTE UL OL LI H1 H2 H3 H4 H5 H6 TABLE THEAD TBODY TR TH TD SUP SUB DIV SPAN".split(" "));
// Keep the marks of Markdown only: no attributes but the address of a link, nothing that loads, runs or dresses up.
function plainly(html) {
  const inert = document.implementation.createHTMLDocument("").createElement("div");
  inert.setHTML(html);
  for (const one of [...inert.querySelectorAll("*")]) {
    if (!TAGS.has(one.tagName)) {
      one.remove();
      continue;
    }
    const href = one.tagName === "A" ? one.getAttribute("href") : null;
    for (const { name } of [...one.attributes]) one.removeAttribute(name);
    if (href && /^(https?:|mailto:)/i.test(href)) {
      one.setAttribute("href", href);
      one.setAttribute("target", "_blank");
      one.setAttribute("rel", "noopener noreferrer nofollow");
    }
    if (/^H\d$/.test(one.tagName)) one.setAttribute("role", "presentation");
    if (one.tagName === "PRE") one.setAttribute("tabindex", "0");
  }
  return inert;
}
export default {
  template: `
  <div class="rh-thread" ref="thread" role="log" aria-live="off" tabindex="0" :aria-label="label" @scroll.passive="scrolled">
    <button v-if="earlier" type="button" class="rh-thread-more" @click="$emit('earlier', {})">{{ words.earlier }} ({{ earlier }})</button>
    <p v-if="!items.length" class="rh-thread-empty">{{ words.empty }}</p>
    <article v-for="item in items" :key="item.key" :class="'rh-said rh-said-' + item.role" :aria-busy="!!item.stamp">
      <template v-if="editing === item.key">
        <textarea v-model="draft" :aria-label="words.edit" class="rh-said-edit" rows="4" maxlength="240000" @keydown.esc="editing = ''"></textarea>
        <p class="rh-dim" v-if="item.role === 'user' && item.hasLater">{{ words.later }}</p>
        <div class="rh-said-tools">
          <button type="button" class="rh-said-button" @click="saved(item)">{{ item.role === 'user' ? words.send : words.save }}</button>
          <button type="button" class="rh-said-button" @click="editing = ''">{{ words.cancel }}</button>
        </div>
      </template>
      <template v-else-if="item.role === 'user'">
        <div class="rh-said-images" v-if="item.images.length"><img v-for="(url, place) in item.images" :key="place" :src="url" :alt="words.image + ' ' + (place + 1)"></div>
        <div class="rh-said-text">{{ item.text }}</div>
      </template>
      <template v-else>
        <template v-for="(part, place) in item.parts" :key="place">
          <details v-if="part.reasoning || tail(item, place, 'reasoning')" :open="isThinking(item, place)" class="rh-said-reasoning">
            <summary>{{ words.reasoning }}</summary>
            <div class="rh-said-text">{{ part.reasoning + tail(item, place, 'reasoning') }}</div>
          </details>
          <div v-if="part.html !== null" class="rh-said-markdown" :data-html="part.html" ref="rendered"></div>
          <div v-else class="rh-said-text">{{ part.text + tail(item, place, 'text') }}</div>
          <div v-for="call in part.calls" :key="call.id" class="rh-said-call">
            <div class="rh-strong">{{ words.tool }}: <code>{{ call.name }}</code></div>
            <pre tabindex="0">{{ call.arguments }}</pre>
            <template v-if="call.result === null && item.isWaiting">
              <textarea v-model="results[item.key + call.id]" :aria-label="words.result + ': ' + call.name" :placeholder="words.result" rows="2" maxlength="240000"></textarea>
              <button type="button" class="rh-said-button" @click="gave(item, call)">{{ words.give }}</button>
            </template>
            <pre v-else-if="call.result !== null" tabindex="0">{{ call.result }}</pre>
          </div>
        </template>
        <div v-if="item.stamp && !begun(item)" class="rh-said-wait" role="status">{{ words.wait }}</div>
        <div v-if="item.trouble" class="rh-note rh-bad" role="alert"><span class="rh-pre">{{ item.trouble }}</span>
          <button type="button" class="rh-said-button" @click="act('again', item)">{{ words.again }}</button></div>
        <div v-if="item.notice" class="rh-dim">{{ item.notice }}</div>
        <div v-if="item.figures" class="rh-said-figures" :title="item.figuresWhy">{{ item.figures }}</div>
      </template>
      <div v-if="editing !== item.key && !item.stamp" class="rh-said-tools">
        <template v-if="item.role === 'assistant' && item.versions > 1">
          <button type="button" class="rh-said-icon" :disabled="item.version < 1" :aria-label="words.previous" :title="words.previous" @click="act('version', item, item.version - 1)">‹</button>
          <span class="rh-dim">{{ item.version + 1 }} / {{ item.versions }}</span>
          <button type="button" class="rh-said-icon" :disabled="item.version + 1 >= item.versions" :aria-label="words.next" :title="words.next" @click="act('version', item, item.version + 1)">›</button>
        </template>
        <button v-for="tool in tools(item)" :key="tool.name" type="button" class="rh-said-icon" :aria-label="tool.label" :title="tool.label" @click="tool.run(item)"><i class="q-icon material-icons" aria-hidden="true">{{ tool.icon }}</i></button>
      </div>
    </article>
  </div>`,
  props: { items: Array, earlier: Number, words: Object, label: String, busy: Boolean },
  data: () => ({ grown: {}, editing: "", draft: "", results: {}, isAtEnd: true }),
  mounted() {
    this.dress();
  },
  updated() {
    this.dress();
  },
  methods: {
    // The server sends a piece with the stamp of the state that it continues; pieces of older states are dropped.
    grow(stamp, reasoning, text) {
      const known = this.grown[stamp] || { reasoning: "", text: "" };
      this.grown = { [stamp]: { reasoning: known.reasoning + reasoning, text: known.text + text } };
    },
    tail(item, place, kind) {
      return item.stamp && place === item.parts.length - 1 ? this.grown[item.stamp]?.[kind] || "" : "";
    },
    begun(item) {
      const last = item.parts[item.parts.length - 1];
      return last.text || last.reasoning || this.grown[item.stamp];
    },
    isThinking(item, place) {
      return !!item.stamp && !item.parts[place].text && !this.tail(item, place, "text");
    },
    tools(item) {
      const found = [{ name: "copy", icon: "content_copy", label: this.words.copy, run: this.copy }];
      if (this.busy) return found;
      if (item.role === "assistant") found.push({ name: "again", icon: "refresh", label: this.words.regenerate, run: (one) => this.act("again", one) });
      if (!item.isWaiting) found.push({ name: "edit", icon: "edit", label: this.words.edit, run: this.edit });
      return found;
    },
    act(name, item, value) {
      this.$emit("act", { name, turn: item.turn, value: value ?? null });
    },
    copy(item) {
      navigator.clipboard?.writeText(item.text);
    },
    edit(item) {
      this.draft = item.text;
      this.editing = item.key;
      this.$nextTick(() => this.$refs.thread.querySelector(".rh-said-edit")?.focus());
    },
    saved(item) {
      this.editing = "";
      this.$emit("act", { name: item.role === "user" ? "edit" : "correct", turn: item.turn, value: this.draft });
    },
    gave(item, call) {
      this.$emit("act", { name: "result", turn: item.turn, value: this.results[item.key + call.id] || "", call: call.id });
    },
    scrolled() {
      const box = this.$refs.thread;
      this.isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
    },
    toEnd() {
      this.isAtEnd = true;
      this.dress();
    },
    dress() {
      for (const box of this.$refs.rendered || []) {
        if (box.shownHtml === box.dataset.html) continue;
        box.shownHtml = box.dataset.html;
        box.replaceChildren(...plainly(box.dataset.html).childNodes);
      }
      const box = this.$refs.thread;
      if (this.isAtEnd) box.scrollTop = box.scrollHeight;
    },
  },
};
