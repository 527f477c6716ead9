// Conversations by folder, with a search. One element, however many there are.
export default {
  template: `
  <div class="rh-talks">
    <input type="search" v-model="find" :aria-label="words.search" :placeholder="words.search" @input="later">
    <p v-if="!folders.length" class="rh-dim">{{ find ? words.nothing : words.none }}</p>
    <section v-for="folder in folders" :key="folder.name">
      <h2 v-if="folder.name" class="rh-talks-folder"><i class="q-icon material-icons" aria-hidden="true">folder</i><span>{{ folder.name }}</span>
        <button type="button" class="rh-said-icon" :aria-label="words.renameFolder + ': ' + folder.name" :title="words.renameFolder" @click="$emit('act', { name: 'folder', id: folder.name })"><i class="q-icon material-icons" aria-hidden="true">edit</i></button></h2>
      <div v-for="talk in folder.talks" :key="talk.id" class="rh-talk" :aria-current="talk.id === current ? 'true' : null">
        <button type="button" class="rh-talk-title" :title="talk.title" @click="$emit('act', { name: 'open', id: talk.id })">{{ talk.title || words.untitled }}<span class="rh-sub">{{ talk.when }}</span></button>
        <button type="button" class="rh-said-icon" :aria-label="words.rename + ': ' + talk.title" :title="words.rename" @click="$emit('act', { name: 'move', id: talk.id })"><i class="q-icon material-icons" aria-hidden="true">edit</i></button>
        <button type="button" class="rh-said-icon" :aria-label="words.delete + ': ' + talk.title" :title="words.delete" @click="$emit('act', { name: 'delete', id: talk.id })"><i class="q-icon material-icons" aria-hidden="true">delete</i></button>
      </div>
    </section>
  </div>`,
  props: { folders: Array, current: String, words: Object },
  data: () => ({ find: "", timer: null }),
  methods: {
    later() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.$emit("find", { words: this.find }), 250);
    },
  },
};
