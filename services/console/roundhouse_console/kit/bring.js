// Files from this browser: chosen or dropped, read for their digests, then sent in pieces that go on where one broke.
const READ = 4 * 1024 * 1024;
const PIECE = 16 * 1024 * 1024;
const ATTEMPTS = 5;

export default {
  template: `
  <div class="rh-bring" :class="{ 'rh-bring-over': over }" @dragover.prevent="over = true" @dragleave="over = false" @drop.prevent="drop">
    <label class="rh-bring-ask">
      <q-icon name="upload_file" aria-hidden="true"></q-icon>
      <span>{{ words.ask }}</span>
      <input type="file" multiple :aria-label="words.ask" :disabled="busy" @change="pick($event.target.files)">
    </label>
    <ul v-if="files.length">
      <li v-for="one in files" :key="one.path">
        <span class="rh-bring-name">{{ one.path }}</span>
        <span class="rh-bar" role="progressbar" :aria-label="one.path" :aria-valuenow="Math.round(one.share * 100)" aria-valuemin="0" aria-valuemax="100">
          <div><i :style="{ width: one.share * 100 + '%' }"></i></div><span>{{ words[one.state] }} {{ Math.round(one.share * 100) }} %</span>
        </span>
      </li>
    </ul>
  </div>`,
  props: { words: Object, digests: String },
  emits: ["files", "progress", "sent", "broken"],
  data: () => ({ files: [], over: false, busy: false }),
  created() { this.run = 0; this.request = null; this.chosen = []; this.told = null; },
  unmounted() { this.stop(); },
  methods: {
    drop(event) { this.over = false; if (!this.busy) this.pick(event.dataTransfer.files); },
    pick(list) {
      this.chosen = Array.from(list);
      this.files = this.chosen.map((file) => ({ path: file.name, share: 0, state: "waits" }));
      this.$emit("files", { step: "chosen", files: this.chosen.map((file) => ({ path: file.name, size: file.size })) });
    },
    stop() { this.run++; this.busy = false; if (this.request) this.request.abort(); },
    async read() {
      const run = ++this.run;
      this.busy = true;
      const { Sha256 } = await import(this.digests);
      const found = [];
      for (const [place, file] of this.chosen.entries()) {
        const digest = new Sha256();
        for (let at = 0; at < file.size; at += READ) {
          let bytes;
          try { bytes = await file.slice(at, at + READ).arrayBuffer(); } catch (error) { return this.broken(run, String(error)); }
          if (run !== this.run) return;
          digest.add(new Uint8Array(bytes));
          this.show(place, "reads", (at + bytes.byteLength) / file.size);
        }
        found.push({ path: file.name, size: file.size, sha256: digest.hex() });
      }
      if (run === this.run) this.$emit("files", { step: "read", files: found });
    },
    async send(upload, offsets) {
      const run = this.run;
      this.chosen.forEach((file, place) => this.put_bar(place, "waits", file.size ? (offsets[file.name] || 0) / file.size : 0));
      for (const [place, file] of this.chosen.entries()) {
        let at = offsets[file.name] || 0, failures = 0, isWhole = false;
        while (!isWhole) {
          const end = Math.min(file.size, at + PIECE);
          this.show(place, "sends", file.size ? at / file.size : 0);
          const answer = await this.put(`/uploads/${upload}/${encodeURIComponent(file.name)}`, file, at, end, place);
          if (run !== this.run) return;
          if (answer.status === 200) { at = answer.body.offset; isWhole = answer.body.is_whole; failures = 0; continue; }
          const isLasting = answer.status >= 400 && answer.status < 500;
          if (isLasting || ++failures >= ATTEMPTS) return this.broken(run, answer.body.detail || `${answer.status}`);
          await new Promise((resolve) => setTimeout(resolve, 1000 * failures));
          if (run !== this.run) return;
        }
        this.show(place, "sent", 1);
      }
      this.busy = false;
      this.$emit("sent", {});
    },
    put(url, file, at, end, place) {
      return new Promise((resolve) => {
        const request = (this.request = new XMLHttpRequest());
        request.open("PUT", url);
        if (file.size) request.setRequestHeader("content-range", `bytes ${at}-${end - 1}/${file.size}`);
        request.upload.onprogress = (event) => {
          const share = file.size ? (at + event.loaded) / file.size : 1;
          this.show(place, share < 1 ? "sends" : "checks", share);
        };
        request.onloadend = () => {
          let body = {};
          try { body = JSON.parse(request.responseText); } catch (error) { body = {}; }
          resolve({ status: request.status, body });
        };
        request.send(file.slice(at, end));
      });
    },
    show(place, state, share) { this.put_bar(place, state, share); this.tell(state); },
    put_bar(place, state, share) { Object.assign(this.files[place], { state, share: Math.min(1, share) }); },
    tell(state) {
      const all = this.chosen.reduce((sum, file) => sum + file.size, 0);
      const done = this.chosen.reduce((sum, file, place) => sum + file.size * this.files[place].share, 0);
      const told = { step: state, percent: all ? Math.floor((100 * done) / all) : 100 };
      if (this.told && told.step === this.told.step && told.percent === this.told.percent) return;
      this.told = told;
      this.$emit("progress", told);
    },
    broken(run, why) { if (run === this.run) { this.busy = false; this.$emit("broken", { why }); } },
  },
};
