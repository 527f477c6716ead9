// The fleet as a map: regions, nodes in them, devices in these. One element, however many nodes.
export default {
  template: `
  <div class="rh-fleet">
    <section v-for="region in regions" :key="region.name">
      <h3>{{ region.title }} <span class="rh-dim">{{ region.nodes.length }}</span></h3>
      <div class="rh-fleet-nodes">
        <a v-for="node in region.nodes" :key="node.id" :href="node.href" :class="'rh-fleet-node rh-edge-' + node.tone" :title="node.why">
          <span class="rh-strong rh-fleet-name">{{ node.name }}</span>
          <span class="rh-dim rh-fleet-sub">{{ node.sub }}</span>
          <span class="rh-fleet-bars">
            <span v-for="bar in node.bars" :key="bar.name" class="rh-bar" role="img" :aria-label="bar.name + ': ' + bar.text">
              <span class="rh-fleet-label">{{ bar.name }}</span>
              <div><i :class="'rh-' + bar.tone" :style="{ width: Math.min(100, bar.share * 100) + '%' }"></i></div>
              <span>{{ bar.text }}</span>
            </span>
          </span>
          <span v-if="node.devices.length" class="rh-fleet-devices">
            <i v-for="device in node.devices" :key="device.id" :class="'rh-cell rh-cell-' + device.tone" :title="device.text" role="img" :aria-label="device.text"><b :style="{ height: device.share * 100 + '%' }"></b></i>
          </span>
        </a>
      </div>
    </section>
  </div>`,
  props: { regions: Array },
};
