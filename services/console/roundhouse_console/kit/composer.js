// Where a prompt is written: Enter sends, Shift+Enter is a new line; images are made small before they leave the browser.
// Four images and the longest prompt fit one message of the socket, which takes a million bytes.
const MOST_PIXELS = 1280, MOST_CHARACTERS = 130000;
async function small(file) {
  const image = await createImageBitmap(file);
  let scale = Math.min(1, MOST_PIXELS / Math.max(image.width, image.height));
  for (let quality = 0.88; ; quality -= 0.12, scale *= 0.8) {
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(image.width * scale));
    canvas.height = Math.max(1, Math.round(image.height * scale));
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    const url = canvas.toDataURL("image/jpeg", Math.max(quality, 0.4));
    if (url.length <= MOST_CHARACTERS) return url;
  }
}
export default {
  template: `
  <div class="rh-composer" @dragover.prevent @drop.prevent="take($event.dataTransfer.files)">
    <div v-if="images.length" class="rh-said-images">
      <span v-for="(url, place) in images" :key="place"><img :src="url" :alt="words.image + ' ' + (place + 1)">
      <button type="button" class="rh-said-icon" :aria-label="words.remove + ' ' + (place + 1)" @click="images.splice(place, 1)">×</button></span>
    </div>
    <div v-if="trouble" class="rh-note rh-bad" role="alert">{{ trouble }}</div>
    <div class="rh-composer-row">
      <button type="button" class="rh-said-icon" :aria-label="words.attach" :title="words.attach" @click="$refs.file.click()"><i class="q-icon material-icons" aria-hidden="true">image</i></button>
      <input ref="file" type="file" accept="image/*" multiple hidden @change="take($event.target.files); $event.target.value = ''">
      <textarea ref="text" v-model="text" rows="1" maxlength="120000" :aria-label="words.prompt" :placeholder="words.prompt" @input="fit" @keydown="pressed" @paste="pasted"></textarea>
      <button v-if="busy" type="button" class="rh-composer-send rh-composer-stop" @click="$emit('stop', {})"><i class="q-icon material-icons" aria-hidden="true">stop</i><span>{{ words.stop }}</span></button>
      <button v-else type="button" class="rh-composer-send" :disabled="!isReady" @click="send"><i class="q-icon material-icons" aria-hidden="true">send</i><span>{{ words.send }}</span></button>
    </div>
  </div>`,
  props: { busy: Boolean, words: Object, most: Number },
  data: () => ({ text: "", images: [], trouble: "" }),
  computed: {
    isReady() {
      return !!(this.text.trim() || this.images.length);
    },
  },
  methods: {
    // Enter while an input method composes a word chooses the word; it sends nothing.
    pressed(event) {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      if (!this.busy && this.isReady) this.send();
    },
    send() {
      this.$emit("send", { text: this.text, images: this.images });
      this.text = "";
      this.images = [];
      this.trouble = "";
      this.$nextTick(() => {
        this.fit();
        this.$refs.text.focus();
      });
    },
    fit() {
      const box = this.$refs.text;
      box.style.height = "auto";
      box.style.height = `${Math.min(220, box.scrollHeight)}px`;
    },
    pasted(event) {
      const files = [...event.clipboardData.files].filter((one) => one.type.startsWith("image/"));
      if (!files.length) return;
      event.preventDefault();
      this.take(files);
    },
    async take(files) {
      this.trouble = "";
      for (const file of [...files]) {
        if (this.images.length >= this.most) {
          this.trouble = this.words.tooMany;
          return;
        }
        try {
          this.images.push(await small(file));
        } catch {
          this.trouble = this.words.noImage;
        }
      }
    },
  },
};
