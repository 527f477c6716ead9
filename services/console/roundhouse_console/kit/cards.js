// Cards that each lead to a page. One element, however many cards; every text is interpolated, never markup.
export default {
  template: `
  <div class="rh-cards">
    <article v-for="card in cards" :key="card.id" class="rh-card">
      <div class="rh-card-head">
        <q-icon :name="card.icon" class="rh-card-icon" aria-hidden="true"></q-icon>
        <h2><a :href="card.href" class="rh-card-link">{{ card.title }}</a></h2>
      </div>
      <p v-if="card.sub" class="rh-dim rh-card-sub">{{ card.sub }}</p>
      <dl class="rh-card-facts">
        <div v-for="fact in card.facts" :key="fact.name"><dt>{{ fact.name }}</dt><dd>{{ fact.value }}</dd></div>
      </dl>
      <div class="rh-card-foot">
        <span v-for="badge in card.badges" :key="badge.text" :class="'rh-badge rh-' + badge.tone" :title="badge.why">{{ badge.text }}</span>
        <a v-for="link in card.links" :key="link.href" :href="link.href" class="rh-card-action" :aria-label="link.text + ': ' + card.title">{{ link.text }}</a>
      </div>
    </article>
  </div>`,
  props: { cards: Array },
};
