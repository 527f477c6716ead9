// A chart over time on Apache ECharts, which NiceGUI brings. Only data comes from the server: no code, no markup.
// The library is a megabyte: what imported it at once would hold back the figures beside the chart.
const binary = (value) => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${+value.toPrecision(3)} ${units[unit]}`;
};
const short = (value) => {
  for (const [size, unit] of [[1e9, " G"], [1e6, " M"], [1e4, " k"]]) {
    if (Math.abs(value) >= size) return `${+(value / (unit === " k" ? 1e3 : size)).toPrecision(3)}${unit}`;
  }
  return String(+value.toPrecision(4));
};
const seconds = (ms) => (ms >= 1000 ? `${+(ms / 1000).toPrecision(3)} s` : `${+ms.toPrecision(3)} ms`);
const FORMATS = {
  count: short,
  bytes: binary,
  percent: (value) => `${+(value * 100).toPrecision(3)} %`,
  ms: seconds,
  money: (nano, unit) => `${+(nano / 1e9).toPrecision(4)} ${unit}`,
};

export default {
  template: "<div></div>",
  props: { series: Array, options: Object, format: String, unit: String },
  async mounted() {
    const { echarts } = await import("nicegui-echart");
    if (this.isGone) return;
    this.chart = echarts.init(this.$el, null, { renderer: "canvas" });
    this.observer = new ResizeObserver(() => this.chart.resize());
    this.observer.observe(this.$el);
    this.draw();
  },
  beforeUnmount() {
    this.isGone = true;
    this.observer?.disconnect();
    this.chart?.dispose();
  },
  methods: {
    text(value) {
      if (value === null || value === undefined || Number.isNaN(value)) return "–";
      const format = FORMATS[this.format];
      return format ? format(value, this.unit) : `${+value.toPrecision(4)} ${this.unit}`.trim();
    },
    draw() {
      if (!this.chart) return;
      const options = {
        ...this.options,
        tooltip: { ...this.options.tooltip, valueFormatter: (value) => this.text(value) },
        yAxis: {
          ...this.options.yAxis,
          axisLabel: { ...this.options.yAxis.axisLabel, formatter: (value) => this.text(value) },
        },
        series: this.series,
      };
      // A tooltip that is open still points at the series before: where others come, it would look for one that is gone.
      const names = JSON.stringify(this.series.map((one) => one.name));
      if (names !== this.names) this.chart.clear();
      this.names = names;
      this.chart.setOption(options, { replaceMerge: ["series"] });
    },
  },
  watch: {
    series: { handler() { this.draw(); }, deep: false },
    options: { handler() { this.draw(); }, deep: false },
  },
};
